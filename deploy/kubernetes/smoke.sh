#!/usr/bin/env bash
# Runs what the chart renders, without Kubernetes: every container's exact arguments, environment and
# credentials against three real NATS servers with the rendered configuration; posts a call.
#
#   deploy/kubernetes/smoke.sh [--tls] [--call FILE]
#
# COLLOQUY_BIN is the program [target/debug/colloquy]. nats-server and, for the call, whisper-base
# must be in the asset cache. Runs in network and mount namespaces of its own, where the names of the
# cluster lead to loopback addresses; where those cannot be had, it says so and exits with 77.
set -euo pipefail
cd "$(dirname "$0")/../.."

program=$(realpath "${COLLOQUY_BIN:-target/debug/colloquy}")
[[ -x $program ]] || { echo "smoke: $program is not there; build it, or set COLLOQUY_BIN" >&2; exit 1; }
eval "$(deploy/kubernetes/tools.sh)"
alone=(--net --mount --pid --fork --kill-child)
if unshare --user --map-root-user "${alone[@]}" true 2>/dev/null; then
  alone+=(--user --map-root-user)
elif ! unshare "${alone[@]}" true 2>/dev/null; then
  echo "smoke: skipped: this machine gives no namespaces (as root in a container: --privileged; otherwise sysctl kernel.unprivileged_userns_clone=1)" >&2
  exit 77
fi
export COLLOQUY_BIN=$program PYTHONDONTWRITEBYTECODE=1
export COLLOQUY_CACHE="${COLLOQUY_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/colloquy}"
exec unshare "${alone[@]}" "$PYTHON" deploy/kubernetes/smoke.py --helm "$HELM4" "$@"
