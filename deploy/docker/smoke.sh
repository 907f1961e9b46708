#!/usr/bin/env bash
# Starts the built images as a cluster would: their own user, a read-only root, no capabilities, no
# new privileges. A broker, `colloquy streams apply`, a gateway; asks /livez and /readyz.
#
#   deploy/docker/smoke.sh [--repository NAME] [--tag TAG] [--engine docker|podman|buildah]
#
# Needs the images runtime and nats of build.sh. With buildah, bubblewrap runs them; that
# needs root.
set -euo pipefail
cd "$(dirname "$0")/../.."

fail() {
  printf 'smoke: %s\n' "$*" >&2
  exit 1
}

repository=colloquy tag='' engine=''
while (($#)); do
  case $1 in
    --repository | --tag | --engine) printf -v "${1#--}" '%s' "${2:?a value for $1}"; shift 2 ;;
    *) fail "what is '$1'? See the head of this script" ;;
  esac
done
tag=${tag:-$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)}
if [[ -z $engine ]]; then
  if docker info >/dev/null 2>&1; then engine=docker
  elif command -v podman >/dev/null; then engine=podman
  elif command -v buildah >/dev/null && command -v bwrap >/dev/null; then engine=buildah
  else fail "there is no Docker engine, podman, or buildah with bubblewrap"; fi
fi

scratch=$(mktemp -d)
chmod 755 "$scratch"
started=() processes=()
touch "$scratch/containers"
cleanup() {
  local one
  for one in "${processes[@]}"; do
    kill "$one" 2>/dev/null || true
    wait "$one" 2>/dev/null || true
  done
  if [[ $engine == buildah ]]; then
    while read -r one; do buildah rm "$one" >/dev/null || true; done <"$scratch/containers"
  else
    for one in "${started[@]}"; do "$engine" rm --force "$one" >/dev/null 2>&1 || true; done
  fi
  rm -rf "$scratch"
}
trap cleanup EXIT

# The command line that confines an image's program as a cluster would, one word a line.
confined() { # IMAGE ARGUMENT...
  local image=$1 container root
  shift
  container=$(buildah from --pull-never "$image")
  echo "$container" >>"$scratch/containers"
  root=$(buildah mount "$container")
  buildah inspect --type image "$image" | python3 -c '
import json, sys
root, *arguments = sys.argv[1:]
image = json.load(sys.stdin)["OCIv1"]["config"]
user, group = map(int, image["User"].split(":"))
assert user > 0 and group > 0, "the user of the image is root"
words = ["bwrap", "--ro-bind", root, "/", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/run",
         "--perms", "1777", "--tmpfs", "/tmp", "--unshare-pid", "--unshare-ipc", "--unshare-uts",
         "--new-session", "--die-with-parent", "--clearenv"]
for setting in image["Env"]:
    words += ["--setenv", *setting.split("=", 1)]
words += ["--", "/usr/bin/setpriv", "--reuid", str(user), "--regid", str(group), "--clear-groups",
          "--inh-caps=-all", "--bounding-set=-all", "--no-new-privs", "--"]
print("\n".join(words + image["Entrypoint"] + arguments))' "$root" "$@"
}

run() { # NAME foreground|background IMAGE ARGUMENT...
  local name="colloquy-smoke-$$-$1" how=$2 image=$3
  shift 3
  local limits=(--network host --read-only --cap-drop ALL --security-opt no-new-privileges --tmpfs /tmp --tmpfs /run)
  started+=("$name")
  case $engine-$how in
    buildah-*)
      confined "$image" "$@" >"$scratch/$name.words"
      mapfile -t words <"$scratch/$name.words"
      if [[ $how == foreground ]]; then
        "${words[@]}"
      else
        "${words[@]}" >"$scratch/$name.log" 2>&1 &
        processes+=($!)
      fi
      ;;
    *-foreground) "$engine" run --rm --name "$name" "${limits[@]}" "$image" "$@" ;;
    *-background) "$engine" run --detach --name "$name" "${limits[@]}" "$image" "$@" >/dev/null ;;
  esac
}

# Waits until an address answers with success.
answers() {
  local attempt
  for attempt in $(seq 1 150); do
    curl --silent --fail --max-time 2 "$1" 2>/dev/null && return
    sleep 0.2
  done
  cat "$scratch"/*.log >&2 2>/dev/null || true
  fail "$1 does not answer after $((attempt / 5)) s"
}

port=$((20000 + $$ % 20000))
broker="nats://127.0.0.1:$port"
run nats background "$repository-nats:$tag" --addr 127.0.0.1 --port "$port" --http_port $((port + 1)) \
  --jetstream --store_dir /tmp/js
answers "http://127.0.0.1:$((port + 1))/healthz"; echo
run version foreground "$repository:$tag" --version
run streams foreground "$repository:$tag" streams apply --nats "$broker" | tail -1
run gateway background "$repository:$tag" gateway --nats "$broker" --listen "127.0.0.1:$((port + 2))"
for path in livez readyz; do
  echo "smoke: /$path: $(answers "http://127.0.0.1:$((port + 2))/$path")"
done
# The root is read-only and the user is nobody special, seen from outside.
if [[ $engine == buildah ]]; then
  # bwrap, the first process of its namespace, and the program.
  pid=${processes[-1]}
  while child=$(pgrep --parent "$pid" | head -1) && [[ -n $child ]]; do pid=$child; done
  awk '/^(Name|Uid|Gid|CapEff|CapBnd|NoNewPrivs):/ {print "smoke: " $1, $2}' "/proc/$pid/status"
  awk '$2 == "/" {print "smoke: / is", substr($4, 1, 2)}' "/proc/$pid/mounts" | tail -1
fi
echo "smoke: the images start as a cluster starts them"
