#!/bin/sh
# Runs one conversation through every service as a process of its own, checks its trace and shows it.
#
# Where there is a Jaeger it is given the trace, too, and asked for it: a program 'jaeger' in the
# path, one in the cache, or one that a Go toolchain can install. Elsewhere the same checks run on
# the platform's own OTLP receiver alone.
set -eu

cd "$(dirname "$0")/.."
# Jaeger 2 has its Go versions under 1.x: this is 2.7.
JAEGER_VERSION=${JAEGER_VERSION:-v1.70.0}
folder=${COLLOQUY_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/colloquy}/jaeger

find_jaeger() {
    command -v jaeger && return
    [ -x "$folder/jaeger" ] && echo "$folder/jaeger" && return
    command -v go >/dev/null || return 1
    echo "installing Jaeger $JAEGER_VERSION with go install" >&2
    mkdir -p "$folder"
    GOBIN=$folder go install "github.com/jaegertracing/jaeger/cmd/jaeger@$JAEGER_VERSION" >&2 || return 1
    echo "$folder/jaeger"
}

if jaeger=$(find_jaeger); then
    "$jaeger" >"${TMPDIR:-/tmp}/colloquy-jaeger.log" 2>&1 &
    pid=$!
    trap 'kill "$pid" 2>/dev/null || true' EXIT
    tries=0
    until curl -fs http://127.0.0.1:13133/status >/dev/null; do
        tries=$((tries + 1))
        if [ "$tries" -ge 60 ] || ! kill -0 "$pid" 2>/dev/null; then
            echo "Jaeger does not start; see ${TMPDIR:-/tmp}/colloquy-jaeger.log" >&2
            exit 1
        fi
        sleep 0.5
    done
    export COLLOQUY_JAEGER_OTLP=http://127.0.0.1:4318 COLLOQUY_JAEGER_API=http://127.0.0.1:16686
else
    echo "no Jaeger and no Go toolchain to install one: the checks run on our own OTLP receiver" >&2
fi
cargo test ${CARGO_FLAGS:---locked} --workspace --test traces -- --nocapture
