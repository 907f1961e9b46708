#!/usr/bin/env bash
# Checks licences, sources, duplicates and advisories of the dependencies with cargo-deny.
set -euo pipefail
cd "$(dirname "$0")/.."

VERSION=0.20.2

if ! cargo deny --version 2>/dev/null | grep -qF "$VERSION"; then
    echo "installing cargo-deny $VERSION"
    cargo install --locked --quiet "cargo-deny@$VERSION"
fi
# Advisories come from a database on the network; the rest needs none.
cargo deny --locked check licenses bans sources
