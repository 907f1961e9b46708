#!/usr/bin/env bash
# Checks the compose files without an engine: deploy/compose/check.sh COMPOSE PROMTOOL
set -euo pipefail
cd "$(dirname "$0")"
compose=$1 promtool=$2

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# Passwords as init.sh names them, apart from those in use.
python3 - >"$scratch/env" <<'PYTHON'
import json
for user in json.load(open("../../helm/colloquy/files/services.json")):
    print(f"COLLOQUY_{user.upper()}_PASSWORD=p{user}")
print("GRAFANA_PASSWORD=x")
print("COLLOQUY_REDACTION_KEY=0123456789abcdef")
PYTHON
"$compose" --env-file "$scratch/env" --file compose.yaml config --format json >"$scratch/core.json"
"$compose" --env-file "$scratch/env" --file compose.yaml --file observability.yaml config --format json >"$scratch/all.json"
"$promtool" check config --syntax-only prometheus.yaml >/dev/null
# The broker reads its configuration, where there is one in the asset cache.
for server in "${COLLOQUY_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/colloquy}"/nats-server/*/bin/nats-server; do
  [[ -x $server ]] || continue
  sed "s#\"/data\"#\"$scratch/js\"#" nats.conf >"$scratch/nats.conf"
  cp ../../helm/colloquy/files/nats-permissions.conf "$scratch/permissions.conf"
  # shellcheck disable=SC1091  # made above
  (set -a && . "$scratch/env" && "$server" -t --config "$scratch/nats.conf" 2>&1 | grep --quiet "is valid") ||
    { echo "compose: nats-server does not take nats.conf" >&2; exit 1; }
done
python3 - "$scratch" <<'PYTHON'
import json, pathlib, re, sys

scratch = pathlib.Path(sys.argv[1])
services = json.load(open("../../helm/colloquy/files/services.json"))
problems = []
for name in ("core", "all"):
    found = json.loads((scratch / f"{name}.json").read_text())["services"]
    for service, one in found.items():
        if one.get("read_only") is not True or one.get("cap_drop") != ["ALL"] or one.get("security_opt") != ["no-new-privileges:true"]:
            problems.append(f"{service} is not confined")
        if one["image"].endswith(":latest") or ":" not in one["image"]:
            problems.append(f"{service} has the image {one['image']}, which is no certain one")
        url = (one.get("environment") or {}).get("COLLOQUY_NATS_URL")
        user = "operator" if service == "bootstrap" else service
        if url and url != f"nats://{user}:p{user}@nats:4222":
            problems.append(f"{service} is not itself to the broker: {url}")
        for volume in one.get("volumes", []):
            if volume["type"] == "bind" and not pathlib.Path(volume["source"]).exists():
                problems.append(f"{service} mounts {volume['source']}, which is not there")
        for port in one.get("ports", []):
            if port.get("host_ip") != "127.0.0.1":
                problems.append(f"{service} is open to the network")
    missing = set(services) - set(found)
    if missing:
        problems.append(f"{name} has no {sorted(missing)}")
    # The proof hears as transcribe does, and both find entities as tag does.
    env = {service: found[service]["environment"] for service in ("transcribe", "tag", "anonymize")}
    speech = [{k: v for k, v in env[service].items() if k.startswith(("COLLOQUY_MODEL", "COLLOQUY_SPEECH_"))}
              for service in ("transcribe", "anonymize")]
    if speech[0] != speech[1] or not speech[0].get("COLLOQUY_MODEL"):
        problems.append("anonymize hears with other settings than transcribe")
    if not env["tag"]["COLLOQUY_ENTITY_MODEL"] == env["anonymize"]["COLLOQUY_ENTITY_MODEL"]:
        problems.append("anonymize finds entities by another model than tag")
    for service in env:
        if "/models" not in {volume["target"] for volume in found[service]["volumes"]}:
            problems.append(f"{service} sees no models")
    policy = pathlib.PurePosixPath(env["anonymize"]["COLLOQUY_REDACTION_POLICY"])
    folders = {volume["target"]: volume["source"] for volume in found["anonymize"]["volumes"]}
    if not (pathlib.Path(folders.get(str(policy.parent), "/nowhere")) / policy.name).is_file():
        problems.append("anonymize has no redaction policy")
    if env["anonymize"].get("COLLOQUY_REDACTION_KEY") != "0123456789abcdef":
        problems.append("anonymize has no key for the policy's hashes")
    users = {variable for variable in found["nats"]["environment"]}
    if users != {f"COLLOQUY_{user.upper()}_PASSWORD" for user in services}:
        problems.append("the broker has other users than the contract")
traced = json.loads((scratch / "all.json").read_text())["services"]
for service in set(services) - {"operator"}:
    if "OTEL_EXPORTER_OTLP_ENDPOINT" not in traced[service]["environment"]:
        problems.append(f"{service} is not traced")
targets = set(re.findall(r"([a-z]+):808\d", pathlib.Path("prometheus.yaml").read_text()))
if targets != set(services) - {"operator"}:
    problems.append(f"Prometheus does not read {sorted(set(services) - {'operator'} ^ targets)}")
print(*problems, f"compose: {len(traced)} services, {len(problems)} problems", sep="\n")
sys.exit(1 if problems else 0)
PYTHON
