#!/usr/bin/env bash
# Builds the images of Colloquy.
#
#   deploy/docker/build.sh [OPTION...] [TARGET...]      targets: runtime models nats [runtime models]
#
#   --repository NAME     where the images are for [colloquy]: NAME, NAME-models, NAME-nats
#   --tag TAG             [the version of Cargo.toml]
#   --binary FOLDER       take bin/colloquy and lib/ from here instead of compiling
#   --runtime-image NAME  base of what runs [docker.io/library/debian:bookworm-slim]
#   --rust-image NAME     what compiles [docker.io/library/rust:1.95.0-bookworm]
#   --engine NAME         docker, podman or buildah [the first that is there]
#   --push                push what was built
#   -- ARGUMENT...        handed to the engine's build, such as --platform or --sbom=true
set -euo pipefail
cd "$(dirname "$0")/../.."

fail() {
  printf 'build: %s\n' "$*" >&2
  exit 1
}

repository=colloquy tag='' binary='' runtime_image='' rust_image='' engine='' push=''
targets=() extra=()
while (($#)); do
  case $1 in
    --repository | --tag | --binary | --runtime-image | --rust-image | --engine)
      (($# > 1)) || fail "$1 needs a value"
      name=${1#--}
      printf -v "${name//-/_}" '%s' "$2"
      shift 2
      ;;
    --push) push=yes; shift ;;
    --) shift; extra=("$@"); break ;;
    runtime | models | nats) targets+=("$1"); shift ;;
    *) fail "what is '$1'? See the head of this script" ;;
  esac
done
((${#targets[@]})) || targets=(runtime models)

if [[ -z $engine ]]; then
  for candidate in docker podman buildah; do
    if [[ $candidate == docker ]]; then
      docker info >/dev/null 2>&1 && engine=docker && break
    else
      command -v "$candidate" >/dev/null && engine=$candidate && break
    fi
  done
  [[ -n $engine ]] || fail "there is no Docker engine, podman or buildah; install one of them"
fi

version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
[[ -n $version ]] || fail "Cargo.toml names no version"
tag=${tag:-$version}
arguments=(
  --file deploy/docker/Dockerfile
  --build-arg "VERSION=$version"
  --build-arg "REVISION=$(git rev-parse HEAD 2>/dev/null || echo unknown)"
  --build-arg "CREATED=$(date --utc +%Y-%m-%dT%H:%M:%SZ)"
)
[[ -z $runtime_image ]] || arguments+=(--build-arg "RUNTIME_IMAGE=$runtime_image")
[[ -z $rust_image ]] || arguments+=(--build-arg "RUST_IMAGE=$rust_image")
if [[ -n $binary ]]; then
  [[ -x $binary/bin/colloquy ]] || fail "there is no program $binary/bin/colloquy"
  arguments+=(--build-context "binary=$(realpath "$binary")")
fi

for target in "${targets[@]}"; do
  stage=$target
  [[ $target == runtime && -n $binary ]] && stage=runtime-from-binary
  image=$repository
  [[ $target == runtime ]] || image=$repository-$target
  echo "build: $image:$tag ($stage) with $engine"
  DOCKER_BUILDKIT=1 "$engine" build "${arguments[@]}" --target "$stage" --tag "$image:$tag" \
    "${extra[@]}" .
  [[ -z $push ]] || "$engine" push "$image:$tag"
done
