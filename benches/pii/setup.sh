#!/usr/bin/env bash
# Installs Presidio, which the recognizers are measured beside; prints the interpreter that has it.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
exec "$here/../venv.sh" bench-pii "$here"
