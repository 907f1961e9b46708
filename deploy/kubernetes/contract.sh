#!/usr/bin/env bash
# What the chart has from the contract: helm/colloquy/files/{nats-permissions.conf,services.json}.
#
#   deploy/kubernetes/contract.sh           write them
#   deploy/kubernetes/contract.sh --check   fail if they are not what the program says
#
# COLLOQUY_BIN is the program [target/debug/colloquy].
set -euo pipefail
cd "$(dirname "$0")/../.."

program=${COLLOQUY_BIN:-target/debug/colloquy}
files=helm/colloquy/files
[[ -x $program ]] || { echo "contract: $program is not there; build it, or set COLLOQUY_BIN" >&2; exit 1; }
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

"$program" contract permissions --format nats >"$scratch/nats-permissions.conf"
"$program" contract permissions --format json >"$scratch/permissions.json"
python3 deploy/kubernetes/services.py "$scratch/permissions.json" >"$scratch/services.json"

if [[ ${1:-} == --check ]]; then
  for name in nats-permissions.conf services.json; do
    diff --unified "$files/$name" "$scratch/$name" ||
      { echo "contract: $files/$name is stale; run deploy/kubernetes/contract.sh" >&2; exit 1; }
  done
  echo "contract: the chart has the program's permissions"
else
  cp "$scratch/nats-permissions.conf" "$scratch/services.json" "$files/"
fi
