#!/usr/bin/env bash
# Installs the peers that transcription is measured beside; prints the interpreter that has them.
set -euo pipefail
cd "$(dirname "$0")"

cache="${COLLOQUY_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/colloquy}"
folder="$cache/bench-transcribe"
if ! cat requirements.txt whisper-cpp.txt | cmp --silent - "$folder/installed.txt"; then
  echo "bench: installing faster-whisper into $folder" >&2
  rm -rf "$folder"
  python3 -m venv "$folder" >&2 ||
    { echo "bench: python3 -m venv does not work; install python3-venv" >&2; exit 1; }
  "$folder/bin/pip" install --quiet --require-hashes --requirement requirements.txt >&2
  # Nice to have, as a wheel only: the comparison runs without, and says so.
  "$folder/bin/pip" install --quiet --require-hashes --only-binary :all: --requirement whisper-cpp.txt >&2 ||
    echo "bench: no whisper.cpp for this machine" >&2
  cat requirements.txt whisper-cpp.txt >"$folder/installed.txt"
fi

# Sentences read aloud, with what is read. Nice to have: the comparison runs without, and says so.
sentences="$cache/bench-librivox"
if [ ! -e "$sentences/transcription" ] && command -v apt-get >/dev/null; then
  scratch="$(mktemp -d)"
  trap 'rm -rf "$scratch"' EXIT
  if (cd "$scratch" && apt-get download --quiet pocketsphinx-testdata && dpkg-deb -x ./*.deb .) >&2; then
    rm -rf "$sentences"
    cp -r "$scratch/usr/share/pocketsphinx/test/data/librivox" "$sentences"
  fi
fi
echo "$folder/bin/python"
