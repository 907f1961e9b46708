#!/usr/bin/env bash
# Installs spaCy, which the recognizer is measured beside; prints the interpreter that has it.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
exec "$here/../../../../benches/venv.sh" bench-ner "$here"
