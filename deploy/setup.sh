#!/usr/bin/env bash
# Sets up a fresh Debian for Colloquy: the packages that building and running needs, and the assets.
#
#   deploy/setup.sh [ASSET...]     all assets, or the named ones (see deploy/assets.toml)
#
# Needs Rust (cargo) and Python 3. Run it as often as you like: what is there stays as it is.
# COLLOQUY_PROFILE names the cargo profile of your main build [dev], so that nothing is built twice.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
  printf 'setup: %s\n' "$*" >&2
  exit 1
}

has() {
  command -v "$1" >/dev/null 2>&1
}

# The Debian packages that are missing, by what they bring, so that it does not matter how that came.
missing_packages() {
  # The C++ of CTranslate2 and Opus; g++ also brings the linker and the OpenMP runtime.
  has g++ || echo g++
  has cmake || echo cmake
  has make || echo make
  # The package index is asked through pip, over TLS.
  has python3 || echo python3
  has python3 && python3 -c 'import pip' 2>/dev/null || echo python3-pip
  [[ -e /etc/ssl/certs/ca-certificates.crt || -n ${SSL_CERT_FILE:-} ]] || echo ca-certificates
}

# Installs Debian packages: as root, or through sudo where a person may be asked for a password.
install_packages() {
  local as_root=()
  if [[ $(id -u) != 0 ]]; then
    has sudo || fail "these packages are missing: $*. Ask an administrator to run: apt-get install $*"
    as_root=(sudo)
  fi
  has apt-get || fail "these programs are missing: $*. Install them with your system's package manager"
  echo "setup: installing $*"
  "${as_root[@]}" apt-get update --quiet ||
    fail "apt-get update failed. Mend that, or install these packages yourself: $*"
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install --quiet --yes --no-install-recommends "$@" ||
    fail "apt-get install failed. Mend that, or install these packages yourself: $*"
}

# Finds cargo, also where rustup puts it when the shell does not know yet.
require_cargo() {
  has cargo || PATH="$PATH:${CARGO_HOME:-$HOME/.cargo}/bin"
  has cargo || fail "cargo is missing. Install Rust with rustup (https://rustup.rs) and run this again"
  local output
  output=$(cargo --version 2>&1) || fail "cargo does not work here:
$output
rust-toolchain.toml names the Rust version; 'rustup toolchain install' in this folder installs it"
}

mapfile -t packages < <(missing_packages)
if ((${#packages[@]})); then
  install_packages "${packages[@]}"
fi
require_cargo
exec cargo run --locked --profile "${COLLOQUY_PROFILE:-dev}" \
  --package colloquy-assets -- fetch "$@"
