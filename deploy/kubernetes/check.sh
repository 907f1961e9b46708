#!/usr/bin/env bash
# Checks everything that deploys Colloquy: `make helm-check`.
#
#   deploy/kubernetes/check.sh [SMOKE-OPTION...]
#
# The chart with Helm 3 and 4 for every file of helm/colloquy/ci, strict schemas of Kubernetes 1.29 to
# 1.37 and of custom resources, an upgrade, alerts and their tests, dashboards, the Dockerfile, the
# compose files, YAML and shell. With COLLOQUY_BIN, the path of the program: what the chart has from the contract, that
# the program knows all that the chart sets, and a run of what is rendered (smoke.sh). Installs its own
# tools into the asset cache; needs nothing of the network once they are there.
set -euo pipefail
cd "$(dirname "$0")/../.."

say() {
  printf '\n== %s\n' "$*"
}

status=0
export PYTHONDONTWRITEBYTECODE=1
settings=$(deploy/kubernetes/tools.sh) || status=$?
if [[ $status == 77 ]]; then
  echo "check: NOT CHECKED: this machine lacks what is named above, and only root can install it" >&2
  exit 0
fi
((status == 0)) || exit "$status"
eval "$settings"
chart=helm/colloquy
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export HELM_CACHE_HOME="$scratch/helm" HELM_CONFIG_HOME="$scratch/helm" HELM_DATA_HOME="$scratch/helm"

say "lint and template with Helm 3 and 4"
renderings=()
for helm in "$HELM3" "$HELM4"; do
  version=$("$helm" version --template '{{.Version}}')
  for values in "$chart"/ci/*-values.yaml; do
    name=$(basename "$values" -values.yaml)
    "$helm" lint --strict --quiet --values "$values" "$chart"
    rendered="$scratch/$version-$name.yaml"
    "$helm" template colloquy "$chart" --namespace calls --values "$values" >"$rendered"
    renderings+=("$values=$rendered")
  done
  echo "helm $version: ${#renderings[@]} renderings so far"
done
# What must be refused, with the reason.
while IFS='|' read -r setting reason; do
  # shellcheck disable=SC2086  # several settings are several words
  if "$HELM4" template colloquy "$chart" $setting >"$scratch/refused" 2>&1; then
    echo "check: '$setting' is not refused" >&2
    exit 1
  fi
  grep --quiet -- "$reason" "$scratch/refused" ||
    { echo "check: '$setting' is refused for another reason:" >&2; cat "$scratch/refused" >&2; exit 1; }
done <<'REFUSED'
--set gateway.replica=2|replica
--set nats.replicas=2|nats/replicas
--set nats.enabled=false|externalNats.url
--set nats.enabled=false --set externalNats.url=nats://x|existingSecret is needed
--set nats.replicas=1 --set nats.streamReplicas=3|more than nats.replicas
--set tls.enabled=true --set tls.certManager.enabled=true|issuerRef
--set gateway.tls.enabled=true --set gateway.tls.certManager.enabled=true|gateway.tls.certManager.issuerRef
--set gatewayApi.enabled=true|parentRefs
--set models.source=claim|existingClaim
--set models.source=fetch|models/source
--set transcribe.model=whisper-small|models lacks whisper-small
--set workers.anonymize.models={spacy-en-core-web-md}|workers.anonymize.models lacks whisper-base
--set workers.anonymize.models={whisper-base}|workers.anonymize.models lacks spacy-en-core-web-md
--set workers.tag.models=null|workers.tag.models lacks spacy-en-core-web-md
--set entities.model=|entities/model
--set transcribe.channelRoles={agent,caller}|channelRoles
--set transcribe.speechServer.url=https://x|speechServer.model
--set redaction.existingSecret=x|redaction.policy.name
--set nats.persistence.size=500Mi|persistence/size
REFUSED
echo "settings that make no sense are refused"

say "manifests"
program=()
[[ -z ${COLLOQUY_BIN:-} ]] || program=(--program "$COLLOQUY_BIN")
"$PYTHON" deploy/kubernetes/manifests.py "${program[@]}" "${renderings[@]}"
"$PYTHON" deploy/kubernetes/manifests_test.py "$chart/ci/production-values.yaml" "$scratch/$version-production.yaml"
"$PYTHON" deploy/kubernetes/values_docs.py --check

say "install, upgrade, uninstall"
"$PYTHON" deploy/kubernetes/upgrade_test.py "$HELM3" "$HELM4"

say "alerts and dashboards"
cp "$chart/files/alerts.yaml" deploy/kubernetes/alerts-test.yaml "$scratch/"
"$PROMTOOL" check rules "$scratch/alerts.yaml"
"$PROMTOOL" test rules "$scratch/alerts-test.yaml"
"$PYTHON" deploy/kubernetes/metrics.py
"$PYTHON" deploy/kubernetes/dashboards.py "$PROMTOOL"

say "image, compose files, YAML, shell"
"$HADOLINT" --failure-threshold info deploy/docker/Dockerfile
echo "hadolint: no findings"
deploy/compose/check.sh "$COMPOSE" "$PROMTOOL"
"$PYTHON" -m yamllint --strict --config-file deploy/kubernetes/yamllint.yaml \
  "$chart/Chart.yaml" "$chart/values.yaml" "$chart/ci" "$chart/files" deploy/compose deploy/kubernetes
for rendered in "$scratch"/*.yaml; do
  "$PYTHON" -m yamllint --strict --config-data '{rules: {key-duplicates: enable}}' "$rendered"
done
echo "yamllint: no findings"
if command -v shellcheck >/dev/null; then
  shellcheck deploy/kubernetes/*.sh deploy/docker/*.sh deploy/compose/*.sh "$chart"/files/*.sh
  echo "shellcheck: no findings"
else
  echo "shellcheck is not there: apt-get install shellcheck"
fi

if [[ -n ${COLLOQUY_BIN:-} ]]; then
  say "the program and the chart"
  deploy/kubernetes/contract.sh --check
  status=0
  if (($# == 0)); then
    set -- --tls --call deploy/samples/auto-repair.wav
  fi
  deploy/kubernetes/smoke.sh "$@" || status=$?
  # 77: this machine cannot; it has said why.
  [[ $status == 0 || $status == 77 ]] || exit "$status"
else
  echo
  echo "COLLOQUY_BIN is not set: what the program says was not compared, and nothing was run"
fi
say "all checks passed"
