#!/usr/bin/env bash
# Installs the peers that the platform is measured beside; prints the interpreter that has them.
set -euo pipefail
cd "$(dirname "$0")"

folder="${COLLOQUY_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/colloquy}/bench-peers"
if ! cmp --silent requirements.txt "$folder/requirements.txt"; then
  echo "bench: installing FastStream into $folder" >&2
  rm -rf "$folder"
  python3 -m venv "$folder" >&2 ||
    { echo "bench: python3 -m venv does not work; install python3-venv" >&2; exit 1; }
  "$folder/bin/pip" install --quiet --require-hashes --requirement requirements.txt >&2
  cp requirements.txt "$folder/requirements.txt"
fi
echo "$folder/bin/python"
