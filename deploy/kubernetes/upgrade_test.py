#!/usr/bin/env python3
"""Installs, upgrades and removes the chart against a Kubernetes API that only keeps what it is given.

    upgrade_test.py HELM...

No pod runs. It shows that Helm can make every object and change it later, that an upgrade keeps the
passwords and the certificate that are there and makes one that is missing, and that another version
gets a Job of its own.
"""

import base64
import http.server
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading

import yaml

CHART = pathlib.Path(__file__).resolve().parent.parent.parent / "helm" / "colloquy"
NAMESPACE = "calls"
MISSING = "COLLOQUY_TAG_PASSWORD"
KINDS = {
    "v1": ["ConfigMap", "Pod", "Secret", "Service", "ServiceAccount"],
    "apps/v1": ["Deployment", "ReplicaSet", "StatefulSet"],
    "autoscaling/v2": ["HorizontalPodAutoscaler"],
    "batch/v1": ["Job"],
    "networking.k8s.io/v1": ["Ingress", "NetworkPolicy"],
    "policy/v1": ["PodDisruptionBudget"],
}


def plural(kind):
    return kind.lower().removesuffix("y") + "ies" if kind.endswith("cy") else kind.lower() + ("es" if kind.endswith("ss") else "s")


class Api(http.server.BaseHTTPRequestHandler):
    """As much of the Kubernetes API as Helm asks for; objects by path."""

    protocol_version = "HTTP/1.1"
    objects = {}
    lock = threading.Lock()
    versions = 0

    def answer(self, body, status=200):
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def missing(self):
        self.answer({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404,
                     "message": "not found"}, 404)

    def body(self):
        content = self.rfile.read(int(self.headers.get("content-length", 0)))
        if content.startswith(b"k8s\x00"):
            return secret_of(content[4:])
        return yaml.safe_load(content or b"{}")

    def path_and_query(self):
        path, _, query = self.path.partition("?")
        return path.rstrip("/"), query

    def keep(self, path, one):
        Api.versions += 1
        one["metadata"].update(namespace=NAMESPACE, resourceVersion=str(Api.versions), uid=f"00000000-0000-0000-0000-{Api.versions:012}")
        one["metadata"].setdefault("creationTimestamp", "2026-01-01T00:00:00Z")
        # As the API server does it.
        for key, value in one.pop("stringData", {}).items():
            one.setdefault("data", {})[key] = base64.b64encode(value.encode()).decode()
        self.objects[path] = one
        self.answer(one)

    def do_GET(self):
        path, query = self.path_and_query()
        discovery = discover(path)
        if discovery:
            self.answer(discovery)
            return
        with self.lock:
            if path in self.objects:
                self.answer(self.objects[path])
                return
            kind = kind_of(path)
            if not kind:
                self.missing()
                return
            wanted = dict(part.split("=", 1) for part in re.findall(r"[\w./-]+=[\w.-]+", selector(query)))
            items = [one for where, one in self.objects.items() if where.rsplit("/", 1)[0] == path
                     and wanted.items() <= one["metadata"].get("labels", {}).items()]
            self.answer({"kind": f"{kind[1]}List", "apiVersion": kind[0], "metadata": {"resourceVersion": "1"}, "items": items})

    def do_POST(self):
        path, _ = self.path_and_query()
        one = self.body()
        with self.lock:
            where = f'{path}/{one["metadata"]["name"]}'
            if where in self.objects:
                self.answer({"kind": "Status", "status": "Failure", "reason": "AlreadyExists", "code": 409}, 409)
            else:
                self.keep(where, one)

    def do_PUT(self):
        with self.lock:
            self.keep(self.path_and_query()[0], self.body())

    def do_PATCH(self):
        path, _ = self.path_and_query()
        patch = self.body()
        with self.lock:
            if "apply" in self.headers["content-type"]:
                self.keep(path, patch)
            elif path in self.objects:
                self.keep(path, merged(self.objects[path], patch))
            else:
                self.missing()

    def do_DELETE(self):
        path, _ = self.path_and_query()
        self.rfile.read(int(self.headers.get("content-length", 0)))
        with self.lock:
            if self.objects.pop(path, None):
                self.answer({"kind": "Status", "apiVersion": "v1", "status": "Success"})
            else:
                self.missing()

    def log_message(self, *_):
        pass


def secret_of(content):
    """A Secret in Kubernetes' protocol buffers, which Helm writes about its releases."""
    envelope = fields(content)
    secret = fields(envelope[2][0])
    metadata = fields(secret[1][0])

    def entries(found):
        return {fields(one)[1][0].decode(): fields(one).get(2, [b""])[0] for one in found}

    return {
        "apiVersion": "v1", "kind": "Secret", "type": secret[3][0].decode(),
        "metadata": {"name": metadata[1][0].decode(), "labels": {k: v.decode() for k, v in entries(metadata.get(11, [])).items()}},
        "data": {key: base64.b64encode(value).decode() for key, value in entries(secret.get(2, [])).items()},
    }


def fields(content):
    """Fields of a message by number; numbers as they are, everything else as bytes."""
    found, at = {}, 0

    def number():
        nonlocal at
        value = shift = 0
        while True:
            byte = content[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(content):
        key = number()
        value = number()
        if key & 7 == 2:
            value, at = content[at:at + value], at + value
        found.setdefault(key >> 3, []).append(value)
    return found


def selector(query):
    return dict(part.partition("=")[::2] for part in query.split("&")).get("labelSelector", "").replace("%3D", "=").replace("%2C", ",")


def discover(path):
    if path == "/version":
        return {"major": "1", "minor": "37", "gitVersion": "v1.37.0"}
    if path == "/api":
        return {"kind": "APIVersions", "versions": ["v1"]}
    if path == "/apis":
        groups = [one.split("/") for one in KINDS if "/" in one]
        versions = [{"name": name, "versions": [{"groupVersion": f"{name}/{version}", "version": version}],
                     "preferredVersion": {"groupVersion": f"{name}/{version}", "version": version}} for name, version in groups]
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": versions}
    version = path.removeprefix("/apis/").removeprefix("/api/")
    if version in KINDS:
        verbs = ["create", "delete", "get", "list", "patch", "update", "watch"]
        return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": [
            {"name": plural(kind), "singularName": kind.lower(), "namespaced": True, "kind": kind, "verbs": verbs}
            for kind in KINDS[version]]}
    return None


def kind_of(path):
    """Version and kind of a collection's path."""
    for version, kinds in KINDS.items():
        prefix = ("/api/" if version == "v1" else "/apis/") + f"{version}/namespaces/{NAMESPACE}/"
        for kind in kinds:
            if path == prefix + plural(kind):
                return version, kind
    return None


def merged(old, patch):
    if not isinstance(old, dict) or not isinstance(patch, dict):
        return patch
    new = dict(old)
    for key, value in patch.items():
        if value is None:
            new.pop(key, None)
        elif not key.startswith("$"):
            new[key] = merged(old.get(key), value)
    return new


def main():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        config = pathlib.Path(folder) / "kubeconfig"
        config.write_text(yaml.safe_dump({
            "apiVersion": "v1", "kind": "Config", "current-context": "here",
            "clusters": [{"name": "here", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": "here", "namespace": NAMESPACE}}],
            "users": [{"name": "here", "user": {}}],
        }))
        for helm in sys.argv[1:]:
            Api.objects.clear()
            installed(Helm(helm, config))


class Helm:
    def __init__(self, program, config):
        self.program, self.config = program, config

    def __call__(self, command, *arguments):
        done = subprocess.run(
            [self.program, command, "colloquy", *arguments, "--namespace", NAMESPACE], capture_output=True, text=True,
            env={**os.environ, "KUBECONFIG": str(self.config)}, check=False,
        )
        if done.returncode:
            sys.exit(f"upgrade: helm {command}: {done.stderr}")
        return done.stdout


def installed(helm):
    chart = (str(CHART), "--disable-openapi-validation", "--set", "tls.enabled=true",
             "--set", "gateway.tls.enabled=true")
    helm("install", *chart)
    first = {name: dict(one["data"]) for name, one in made("Secret").items()}
    jobs = set(made("Job"))
    passwords = [base64.b64decode(value).decode() for value in first["colloquy-nats-auth"].values()]
    expect(len(set(passwords)) == len(passwords), "the passwords are random")
    expect(all(one.isalnum() and one[0].isalpha() and len(one) > 40 for one in passwords), "passwords are long words")
    del made("Secret")["colloquy-nats-auth"]["data"][MISSING]
    helm("upgrade", *chart, "--set", "image.tag=0.2.0")
    second = {name: one["data"] for name, one in made("Secret").items()}
    expect(set(first) == set(second), "the secrets are there")
    for name, data in first.items():
        for key, value in data.items():
            kept = second[name].get(key) == value
            # Asked of the API and not of memory: what is gone there is made again.
            expect(kept if key != MISSING else bool(second[name].get(key)) and not kept, f"{key} of {name} is as it must be")
    tag = made("Deployment")["colloquy-tag"]["spec"]["template"]["spec"]["containers"][0]["image"]
    expect(tag == "colloquy:0.2.0", "the new version is rolled out")
    expect(len(made("Job")) == 1 and not jobs & set(made("Job")), "the new version has a Job of its own")
    names = {kind: len(made(kind)) for kinds in KINDS.values() for kind in kinds if made(kind)}
    helm("uninstall")
    left = [path for path in Api.objects if "sh.helm.release" not in path]
    expect(not left, f"nothing is left: {left}")
    print(f"upgrade: {os.path.basename(os.path.dirname(helm.program))}: installed, upgraded, removed: {names}")


def made(kind):
    """Objects of a kind by name, but for Helm's own."""
    return {one["metadata"]["name"]: one for one in Api.objects.values()
            if one["kind"] == kind and not one["metadata"]["name"].startswith("sh.helm.")}


def expect(holds, what):
    if not holds:
        sys.exit(f"upgrade: it does not hold that {what}")


if __name__ == "__main__":
    main()
