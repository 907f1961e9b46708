#!/usr/bin/env python3
"""Checks rendered manifests.

    manifests.py [--versions 1.29,1.37] [--program PATH] VALUES=RENDERED...

Strict schemas of Kubernetes and of custom resources, and what no schema says: restricted pods, names
that lead somewhere, partitions that are shared out, settings that the program knows. Everything that
is wrong is told; the exit code is 1 then.
"""

import argparse
import functools
import json
import os
import pathlib
import re
import subprocess
import sys

import jsonschema
import kubernetes_validate
import kubernetes_validate.utils
import yaml

HERE = pathlib.Path(__file__).resolve().parent
CHART = HERE.parent.parent / "helm" / "colloquy"
SERVICES = json.loads((CHART / "files" / "services.json").read_text())
POD_KINDS = {"Deployment", "StatefulSet", "Job", "Pod"}
# It reads a megabyte of definitions for each object otherwise.
kubernetes_validate.utils.schema_contents = functools.cache(kubernetes_validate.utils.schema_contents)
VOLUMES = {"configMap", "emptyDir", "secret", "persistentVolumeClaim"}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--versions", default="1.29,1.30,1.31,1.32,1.33,1.34,1.35,1.36,1.37")
    parser.add_argument("--program")
    parser.add_argument("rendered", nargs="+", metavar="VALUES=RENDERED")
    options = parser.parse_args()
    schemas = Schemas(options.versions.split(","))
    problems, documents = [], 0
    for pair in options.rendered:
        values, rendered = map(pathlib.Path, pair.split("="))
        objects = [one for one in yaml.safe_load_all(rendered.read_text()) if one]
        documents += len(objects)
        release = Release(objects, yaml.safe_load(values.read_text()) or {}, options.program)
        found = schemas.problems(objects) + release.problems()
        problems += [f"{rendered.name}: {problem}" for problem in found]
    for problem in problems:
        print(problem)
    print(f"manifests: {len(options.rendered)} renderings, {documents} objects, "
          f"{schemas.validated} validations, {len(problems)} problems")
    sys.exit(1 if problems else 0)


class Schemas:
    """Strict schemas: Kubernetes' own by version, and those of custom resources."""

    def __init__(self, versions):
        self.versions = versions
        self.seen = set()
        self.validated = 0
        self.custom = {}
        for path in (HERE / "schemas").glob("*.json"):
            schema = json.loads(path.read_text())
            kind = schema["properties"]["apiVersion"]["const"], schema["properties"]["kind"]["const"]
            self.custom.setdefault(kind, []).append(schema)
        if os.environ.get("COLLOQUY_CRDS"):
            self.take_in(pathlib.Path(os.environ["COLLOQUY_CRDS"]))

    def take_in(self, folder):
        """Adds the CustomResourceDefinitions of a folder, made strict."""
        for path in folder.rglob("*.yaml"):
            for crd in yaml.safe_load_all(path.read_text()):
                if not crd or crd.get("kind") != "CustomResourceDefinition":
                    continue
                for version in crd["spec"]["versions"]:
                    kind = f'{crd["spec"]["group"]}/{version["name"]}', crd["spec"]["names"]["kind"]
                    schema = strict(version["schema"]["openAPIV3Schema"])
                    schema["properties"]["metadata"] = {"type": "object"}
                    self.custom.setdefault(kind, []).append(schema)

    def problems(self, objects):
        found = []
        for one in objects:
            # Both versions of Helm render much the same.
            key = json.dumps(one, sort_keys=True)
            if key in self.seen:
                continue
            self.seen.add(key)
            name = f'{one.get("kind")} {one.get("metadata", {}).get("name")}'
            custom = self.custom.get((one.get("apiVersion"), one.get("kind")))
            if custom:
                for schema in custom:
                    self.validated += 1
                    for error in jsonschema.Draft202012Validator(schema).iter_errors(one):
                        found.append(f"{name}: {error.json_path}: {error.message}")
                continue
            for version in self.versions:
                self.validated += 1
                try:
                    kubernetes_validate.validate(one, version, strict=True)
                except kubernetes_validate.ValidationError as error:
                    path = ".".join(map(str, error.path))
                    found.append(f"{name}: Kubernetes {version}: {path}: {error.message}")
                except kubernetes_validate.SchemaNotFoundError as error:
                    found.append(f"{name}: {error.message}")
        return found


def strict(schema):
    """A structural schema that refuses what it does not name."""
    if not isinstance(schema, dict):
        return schema
    changed = {key: strict(value) for key, value in schema.items() if key not in ("properties", "default")}
    if "properties" in schema:
        changed["properties"] = {key: strict(value) for key, value in schema["properties"].items()}
        if not schema.get("x-kubernetes-preserve-unknown-fields") and "additionalProperties" not in schema:
            changed["additionalProperties"] = False
    if schema.get("x-kubernetes-int-or-string"):
        changed.pop("type", None)
    return changed


class Release:
    """The objects of one rendering, and what must hold between them."""

    def __init__(self, objects, values, program):
        self.objects = objects
        self.values = values
        self.program = program
        self.pods = [(one, template(one)) for one in objects if one["kind"] in POD_KINDS]
        self.found = []

    def problems(self):
        self.names()
        self.labels()
        for one, pod in self.pods:
            self.restricted(title(one), pod)
            self.references(title(one), pod)
            self.settings(title(one), pod)
            self.files(title(one), pod)
            self.encryption(title(one), pod)
        self.models()
        self.selectors()
        self.scaling()
        self.partitions()
        self.claims()
        self.permissions()
        return self.found

    def say(self, where, what):
        self.found.append(f"{where}: {what}")

    def kind(self, *kinds):
        return [one for one in self.objects if one["kind"] in kinds]

    def named(self, kind, name):
        return next((one for one in self.kind(kind) if one["metadata"]["name"] == name), None)

    def names(self):
        seen = set()
        for one in self.objects:
            if title(one) in seen:
                self.say(title(one), "is there twice")
            seen.add(title(one))
            # A StatefulSet's pods have a hash of their own and a number behind the name.
            most = 52 if one["kind"] in ("StatefulSet", "Job") else 63
            if len(one["metadata"]["name"]) > most:
                self.say(title(one), f"has a name of more than {most} characters")
            if not one["metadata"].get("namespace"):
                self.say(title(one), "has no namespace")

    def labels(self):
        wanted = {"app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/component"}
        for one in self.objects:
            missing = wanted - set(one["metadata"].get("labels", {}))
            if missing:
                self.say(title(one), f"lacks the labels {sorted(missing)}")
        for where, path, value in walk(self.objects):
            if path[-2:-1] and path[-2] in ("labels", "annotations", "matchLabels") and not isinstance(value, str):
                self.say(where, f"{'.'.join(map(str, path))} is no string")

    def restricted(self, where, pod):
        """The restricted pod security standard, and a little more."""
        spec = pod["spec"]
        security = spec.get("securityContext", {})
        for name in ("hostNetwork", "hostPID", "hostIPC"):
            if spec.get(name):
                self.say(where, f"uses {name}")
        if security.get("runAsNonRoot") is not True or not security.get("runAsUser"):
            self.say(where, "may run as root")
        if security.get("seccompProfile", {}).get("type") != "RuntimeDefault":
            self.say(where, "has no seccomp profile")
        if spec.get("automountServiceAccountToken") is not False:
            self.say(where, "has a token of the Kubernetes API")
        for volume in spec.get("volumes", []):
            if set(volume) - {"name"} - VOLUMES:
                self.say(where, f"has the volume {volume}")
            if "emptyDir" in volume and not volume["emptyDir"].get("sizeLimit"):
                self.say(where, f"has no limit for the volume {volume['name']}")
        for container in containers(spec):
            inside = f"{where}, {container['name']}"
            own = container.get("securityContext", {})
            if own.get("allowPrivilegeEscalation") is not False or own.get("privileged"):
                self.say(inside, "may gain privileges")
            if own.get("capabilities") != {"drop": ["ALL"]}:
                self.say(inside, "has capabilities")
            if own.get("readOnlyRootFilesystem") is not True:
                self.say(inside, "may write to its root")
            if "runAsUser" in own or "runAsNonRoot" in own:
                self.say(inside, "has a user of its own")
            resources = container.get("resources", {})
            if not {"cpu", "memory"} <= set(resources.get("requests", {})) or "memory" not in resources.get("limits", {}):
                self.say(inside, "lacks requests or a limit of memory")
            image = container["image"]
            if image.endswith(":latest") or not re.search(r"(@sha256:|:[^/]+$)", image):
                self.say(inside, f"has the image {image}, which is no certain one")
            if any("hostPort" in port for port in container.get("ports", [])):
                self.say(inside, "takes a port of the node")

    def references(self, where, pod):
        """Secrets, config maps, claims and accounts are there, or the values name them."""
        given = set(strings(self.values))
        made = {one["spec"]["secretName"] for one in self.kind("Certificate")}
        spec = pod["spec"]
        volumes = {volume["name"]: volume for volume in spec.get("volumes", [])}
        owner = next(one for one, template_ in self.pods if template_ is pod)
        claims = {one["metadata"]["name"] for one in owner["spec"].get("volumeClaimTemplates", [])}

        def secret(name, keys):
            there = self.named("Secret", name)
            if there:
                missing = set(keys) - set(there.get("data", {}))
                if missing:
                    self.say(where, f"needs {sorted(missing)} of the secret {name}, which has none")
            elif name not in given | made:
                self.say(where, f"needs the secret {name}, which nobody makes")

        def config_map(name, keys):
            there = self.named("ConfigMap", name)
            if there:
                missing = set(keys) - set(there.get("data", {}))
                if missing:
                    self.say(where, f"needs {sorted(missing)} of the config map {name}, which has none")
            elif name not in given:
                self.say(where, f"needs the config map {name}, which nobody makes")

        for volume in volumes.values():
            if "secret" in volume:
                items = volume["secret"].get("items", [])
                secret(volume["secret"]["secretName"], [item["key"] for item in items])
            if "configMap" in volume:
                items = volume["configMap"].get("items", [])
                config_map(volume["configMap"]["name"], [item["key"] for item in items])
            if "persistentVolumeClaim" in volume and volume["persistentVolumeClaim"]["claimName"] not in given:
                self.say(where, "needs a claim that the values do not name")
        for container in containers(spec):
            mounts = [mount["name"] for mount in container.get("volumeMounts", [])]
            for name in mounts:
                if name not in set(volumes) | claims:
                    self.say(where, f"mounts {name}, which is no volume")
            if len({mount["mountPath"] for mount in container.get("volumeMounts", [])}) != len(mounts):
                self.say(where, "mounts two volumes at one place")
            known = set()
            for variable in container.get("env", []):
                source = variable.get("valueFrom", {})
                if "secretKeyRef" in source:
                    secret(source["secretKeyRef"]["name"], [source["secretKeyRef"]["key"]])
                # A reference that nobody has defined before is left as it stands, parentheses and all.
                for name in re.findall(r"\$\(([A-Z0-9_]+)\)", variable.get("value", "")):
                    if name not in known:
                        self.say(where, f"{variable['name']} refers to {name}, which is not defined before it")
                if variable["name"] in known:
                    self.say(where, f"sets {variable['name']} twice")
                known.add(variable["name"])
        unused = set(volumes) - {m["name"] for c in containers(spec) for m in c.get("volumeMounts", [])}
        if unused:
            self.say(where, f"has volumes that nobody mounts: {sorted(unused)}")
        account = spec.get("serviceAccountName", "default")
        if not self.named("ServiceAccount", account) and account not in given | {"default"}:
            self.say(where, f"runs as {account}, which is no service account")

    def settings(self, where, pod):
        """The program knows its arguments and every variable that is set for it."""
        for container in containers(pod["spec"]):
            names = {variable["name"] for variable in container.get("env", [])}
            otel = {name for name in names if name.startswith("OTEL_")} - documented_variables()
            if otel:
                self.say(where, f"sets {sorted(otel)}, which docs/observability.md does not know")
            # Nothing runs in the operator's pod; what is set there is for this.
            arguments = ["doctor"] if container["name"] == "operator" else container.get("args")
            if not self.program or not arguments or container["name"] in ("nats", "jaeger"):
                continue
            if "command" in container and container["name"] != "operator":
                continue
            known, error = help_of(self.program, tuple(arguments))
            if error:
                self.say(where, f"the program does not take {arguments}: {error}")
                continue
            own = {name for name in names if name.startswith("COLLOQUY_")}
            for name in sorted(own - known):
                self.say(where, f"sets {name}, which {arguments} does not know")

    def files(self, where, pod):
        """Every file that is named is mounted, in a way that a later change comes through."""
        volumes = {volume["name"]: volume for volume in pod["spec"].get("volumes", [])}
        for container in containers(pod["spec"]):
            mounts = container.get("volumeMounts", [])
            if any("subPath" in mount or "subPathExpr" in mount for mount in mounts):
                self.say(where, "mounts a part of a volume, which never changes again")
            for variable in container.get("env", []):
                path = pathlib.PurePosixPath(variable.get("value", ""))
                if not str(path).startswith("/etc/colloquy/"):
                    continue
                mount = next((one for one in mounts if one["mountPath"] == str(path.parent)), None)
                volume = volumes.get(mount["name"], {}) if mount else {}
                items = volume.get("secret", volume.get("configMap", {})).get("items", [])
                if path.name not in {item["path"] for item in items}:
                    self.say(where, f"has no file for {variable['name']}")

    def encryption(self, where, pod):
        """Who asks a port speaks as it does: probes, monitors, the doctor."""
        def encrypted(container):
            return any(variable["name"] == "COLLOQUY_TLS_CERT" for variable in container.get("env", []))

        gateway = any(encrypted(container) for _, other in self.pods for container in containers(other["spec"]))
        for container in containers(pod["spec"]):
            asked = [container[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")
                     if "httpGet" in container.get(name, {})]
            if any((get.get("scheme") == "HTTPS") != encrypted(container) for get in asked):
                self.say(where, "is probed otherwise than its port speaks")
            for variable in container.get("env", []):
                if variable["name"] == "COLLOQUY_GATEWAY_URL" and variable["value"].startswith("https:") != gateway:
                    self.say(where, "calls the gateway otherwise than its port speaks")

    def models(self):
        """Who recognizes speech or entities has a model or a server for it; the proof hears as transcribe does."""
        heard = {}
        for worker, needs in {"transcribe": ("speech",), "tag": ("entities",), "anonymize": ("speech", "entities")}.items():
            pod = next((pod for one, pod in self.pods if one["kind"] == "Deployment"
                        and one["metadata"]["labels"]["app.kubernetes.io/component"] == worker), None)
            if not pod:
                continue
            spec = pod["spec"]
            where = f"the worker {worker}"
            env = {variable["name"]: variable.get("value") for variable in spec["containers"][0]["env"]}
            wanted = set()
            if "speech" in needs:
                heard[worker] = {name: value for name, value in env.items()
                                 if name.startswith(("COLLOQUY_SPEECH_", "COLLOQUY_MODEL"))}
                # What a policy wants is not known here: with one of its own, whether there is a proof is its choice.
                proves = worker != "anonymize" or "COLLOQUY_REDACTION_POLICY" not in env
                if "COLLOQUY_SPEECH_URL" not in env and "COLLOQUY_MODEL" not in env:
                    self.say(where, "has neither a speech model nor a server")
                if "COLLOQUY_MODEL" in env and proves:
                    wanted.add(env["COLLOQUY_MODEL"])
            if "entities" in needs:
                wanted.add(env.get("COLLOQUY_ENTITY_MODEL", "the entity model"))
            wanted -= {"none"}
            source = next((volume for volume in spec["volumes"] if volume["name"] == "models"), {})
            copied = {argument.removeprefix("/models/") for one in spec.get("initContainers", [])
                      if one["name"] == "models" for argument in one["args"]}
            if wanted and "persistentVolumeClaim" not in source and not wanted <= copied:
                self.say(where, f"lacks the models {sorted(wanted - copied)}")
            if wanted and "models" not in {mount["name"] for mount in spec["containers"][0]["volumeMounts"]}:
                self.say(where, "does not see its models")
            if "COLLOQUY_MODEL" in env and proves and mebibytes(spec["containers"][0]) < 2048:
                self.say(where, "has not the memory that a speech model takes")
        if len(heard) == 2 and heard["transcribe"] != heard["anonymize"]:
            self.say("the worker anonymize", "hears with other settings than transcribe")

    def selectors(self):
        pods = [(one, pod["metadata"].get("labels", {}), pod["spec"]) for one, pod in self.pods]
        for one, labels, _ in pods:
            selector = one["spec"].get("selector", {}).get("matchLabels") if one["kind"] != "Pod" else None
            if selector and not selector.items() <= labels.items():
                self.say(title(one), "does not select its own pods")
            rivals = [title(other) for other, their, _ in pods if selector and other is not one
                      and selector.items() <= their.items()]
            if rivals:
                self.say(title(one), f"selects the pods of {rivals}")
        for service in self.kind("Service"):
            matched = [spec for _, labels, spec in pods if service["spec"]["selector"].items() <= labels.items()]
            if not matched:
                self.say(title(service), "selects nothing")
            for spec in matched:
                ports = {port["name"] for container in containers(spec) for port in container.get("ports", [])}
                for port in service["spec"]["ports"]:
                    if port["targetPort"] not in ports:
                        self.say(title(service), f"leads to the port {port['targetPort']}, which is not there")
        for one in self.kind("StatefulSet"):
            if not self.named("Service", one["spec"]["serviceName"]):
                self.say(title(one), "has no service of its name")
        for policy in self.kind("NetworkPolicy", "PodDisruptionBudget"):
            selector = policy["spec"].get("podSelector") or policy["spec"].get("selector")
            allowed = [labels for _, labels, _ in pods if matches(selector, labels)]
            if not allowed:
                self.say(title(policy), "selects no pod")
        for one in self.kind("PodMonitor"):
            watched = [spec for _, labels, spec in pods if matches(one["spec"]["selector"], labels)]
            wanted = {endpoint["port"] for endpoint in one["spec"]["podMetricsEndpoints"]}
            served = [{port["name"] for c in containers(spec) for port in c.get("ports", [])} for spec in watched]
            if not served or not all(wanted <= ports for ports in served):
                self.say(title(one), "scrapes pods without the port")
        for one in self.kind("ServiceMonitor"):
            watched = [s for s in self.kind("Service") if matches(one["spec"]["selector"], s["metadata"]["labels"])]
            wanted = {endpoint["port"] for endpoint in one["spec"]["endpoints"]}
            if not any(wanted <= {port["name"] for port in service["spec"]["ports"]} for service in watched):
                self.say(title(one), "scrapes no service")
            if any(endpoint.get("scheme", "http") != endpoint["port"] for endpoint in one["spec"]["endpoints"]):
                self.say(title(one), "scrapes otherwise than the port speaks")
        for one in self.kind("Ingress"):
            for rule in one["spec"]["rules"]:
                for path in rule["http"]["paths"]:
                    if path["path"] in ("/metrics", "/livez", "/readyz") or (path["path"], path["pathType"]) == ("/", "Prefix"):
                        self.say(title(one), "lets metrics and probes out")
                    if not self.named("Service", path["backend"]["service"]["name"]):
                        self.say(title(one), "leads to no service")

    def scaling(self):
        for one in self.kind("HorizontalPodAutoscaler", "ScaledObject"):
            target = self.named("Deployment", one["spec"]["scaleTargetRef"]["name"])
            if not target:
                self.say(title(one), "scales nothing")
            elif "replicas" in target["spec"]:
                self.say(title(one), "fights with the replicas of its Deployment")
        for one in self.kind("ScaledObject"):
            component = one["metadata"]["labels"]["app.kubernetes.io/component"]
            wanted = {need for need in SERVICES[component] if "/" in need and not need.startswith("ADVISORIES/")}
            found = {f"{t['metadata']['stream']}/{t['metadata']['consumer']}" for t in one["spec"]["triggers"]}
            if found != wanted:
                self.say(title(one), f"watches {sorted(found)} instead of {sorted(wanted)}")
            for trigger in one["spec"]["triggers"]:
                host = trigger["metadata"]["natsServerMonitoringEndpoint"].split(".")[0]
                service = self.named("Service", host)
                # KEDA puts a server's name before the host: that only resolves under a headless service.
                if self.named("StatefulSet", host.removesuffix("-headless")) and (
                        not service or service["spec"].get("clusterIP") != "None"):
                    self.say(title(one), "asks a service that is not headless")

    def partitions(self):
        shares = []
        for one in self.kind("StatefulSet"):
            for container in one["spec"]["template"]["spec"]["containers"]:
                for variable in container.get("env", []):
                    if variable["name"] == "COLLOQUY_INDEX_PARTITIONS":
                        first, last = map(int, variable["value"].split("-"))
                        shares += range(first, last + 1)
        if sorted(shares) != list(range(64)):
            self.say("index", f"the shards do not own each of 64 partitions once: {sorted(shares)}")

    def claims(self):
        for one in self.kind("StatefulSet"):
            for claim in one["spec"]["volumeClaimTemplates"]:
                labels = set(claim["metadata"].get("labels", {}))
                if labels & {"helm.sh/chart", "app.kubernetes.io/version"}:
                    self.say(title(one), "has versions in its claim templates, which cannot be changed")

    def permissions(self):
        servers = [one for one in self.kind("StatefulSet")
                   if one["metadata"]["labels"]["app.kubernetes.io/component"] == "nats"]
        for one in servers:
            config = self.named("ConfigMap", one["metadata"]["name"])["data"]
            wanted = (CHART / "files" / "nats-permissions.conf").read_text()
            if config["permissions.conf"].rstrip() != wanted.rstrip():
                self.say(title(one), "has other permissions than the contract's file")
            given = {variable["name"] for variable in one["spec"]["template"]["spec"]["containers"][0]["env"]}
            asked = set(re.findall(r"\$([A-Z][A-Z0-9_]+)", wanted + config["nats.conf"])) - {"JS", "KV", "O", "SYS", "SRV"}
            if not asked <= given:
                self.say(title(one), f"has no value for {sorted(asked - given)}")
        # Every process has its own user, and its own password only.
        for one, pod in self.pods:
            component = pod["metadata"].get("labels", one["metadata"]["labels"])["app.kubernetes.io/component"]
            if component in ("nats", "jaeger"):
                continue
            user = "operator" if component in ("bootstrap", "operator", "test") else component
            for container in containers(pod["spec"]):
                for variable in container.get("env", []):
                    reference = variable.get("valueFrom", {}).get("secretKeyRef", {})
                    if variable["name"] == "NATS_PASSWORD" and reference.get("key") != f"COLLOQUY_{user.upper()}_PASSWORD":
                        self.say(title(one), f"has the password {reference.get('key')} instead of its own")
                    if variable["name"] == "COLLOQUY_NATS_URL" and "@" in variable["value"] \
                            and f"//{user}:" not in variable["value"]:
                        self.say(title(one), "connects as somebody else")


@functools.cache
def help_of(program, arguments):
    """The variables that a command knows, or why it does not exist."""
    done = subprocess.run([program, *arguments, "--help"], capture_output=True, text=True, check=False)
    if done.returncode:
        return set(), done.stderr.strip().splitlines()[0]
    return set(re.findall(r"\[env: (COLLOQUY_[A-Z0-9_]+)", done.stdout)), None


@functools.cache
def documented_variables():
    text = (HERE.parent.parent / "docs" / "observability.md").read_text()
    return set(re.findall(r"`(OTEL_[A-Z0-9_]+)`", text))


def template(one):
    return one if one["kind"] == "Pod" else one["spec"]["template"]


def containers(spec):
    return spec.get("initContainers", []) + spec["containers"]


def mebibytes(container):
    """The limit of memory."""
    number, unit = re.fullmatch(r"(\d+)([MG])i", container["resources"]["limits"]["memory"]).groups()
    return int(number) * {"M": 1, "G": 1024}[unit]


def title(one):
    return f'{one["kind"]} {one["metadata"]["name"]}'


def matches(selector, labels):
    if not selector.get("matchLabels", {}).items() <= labels.items():
        return False
    for one in selector.get("matchExpressions", []):
        inside = labels.get(one["key"]) in one.get("values", [])
        if one["operator"] == "In" and not inside or one["operator"] == "NotIn" and inside:
            return False
    return True


def walk(objects):
    def down(where, path, value):
        yield where, path, value
        pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for key, inside in pairs:
            yield from down(where, path + [key], inside)

    for one in objects:
        yield from down(title(one), [], one)


def strings(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from strings(one)
    elif isinstance(value, list):
        for one in value:
            yield from strings(one)


if __name__ == "__main__":
    main()
