#!/usr/bin/env python3
"""Checks the checker: each fault in a rendering is found, and the rendering has none without it.

    manifests_test.py VALUES RENDERED
"""

import copy
import pathlib
import sys

import yaml

from manifests import Release, Schemas


def pod_of(objects, component):
    return next(
        one["spec"]["template"] for one in objects
        if one["kind"] in ("Deployment", "StatefulSet")
        and one["metadata"]["labels"]["app.kubernetes.io/component"] == component
    )


def first(objects, kind):
    return next(one for one in objects if one["kind"] == kind)


def container(objects, component):
    return pod_of(objects, component)["spec"]["containers"][0]


def variable(objects, component, name):
    return next(one for one in container(objects, component)["env"] if one["name"] == name)


def mount(objects, component, name):
    return next(one for one in container(objects, component)["volumeMounts"] if one["name"] == name)


def init(objects, component, name):
    return next(one for one in pod_of(objects, component)["spec"]["initContainers"] if one["name"] == name)


FAULTS = {
    "which never changes again": lambda o: mount(o, "anonymize", "redaction-policy").update(subPath="policy.toml"),
    "has no file for COLLOQUY_REDACTION_KEY_FILE": lambda o: variable(
        o, "anonymize", "COLLOQUY_REDACTION_KEY_FILE").update(value="/etc/colloquy/redaction-key/kye"),
    "anonymize: lacks the models": lambda o: init(o, "anonymize", "models")["args"].remove("/models/spacy-en-core-web-md"),
    "tag: lacks the models": lambda o: variable(o, "tag", "COLLOQUY_ENTITY_MODEL").update(value="spacy-en-core-web-lg"),
    "transcribe: lacks the models": lambda o: init(o, "transcribe", "models").update(args=["/models/whisper-tiny.en"]),
    "does not see its models": lambda o: container(o, "tag")["volumeMounts"].remove(mount(o, "tag", "models")),
    "hears with other settings": lambda o: variable(o, "anonymize", "COLLOQUY_MODEL_THREADS").update(value="64"),
    "has neither a speech model": lambda o: container(o, "anonymize")["env"].remove(
        variable(o, "anonymize", "COLLOQUY_MODEL")),
    "memory that a speech model takes": lambda o: container(o, "transcribe")["resources"]["limits"].update(memory="512Mi"),
    "is probed otherwise": lambda o: container(o, "gateway")["readinessProbe"]["httpGet"].pop("scheme"),
    "scrapes otherwise": lambda o: first(o, "ServiceMonitor")["spec"]["endpoints"][0].pop("scheme"),
    "calls the gateway otherwise": lambda o: variable(o, "operator", "COLLOQUY_GATEWAY_URL").update(value="http://x"),
    "may run as root": lambda o: pod_of(o, "decode")["spec"]["securityContext"].pop("runAsNonRoot"),
    "may write to its root": lambda o: container(o, "tag")["securityContext"].update(readOnlyRootFilesystem=False),
    "has capabilities": lambda o: container(o, "tag")["securityContext"].update(capabilities={"drop": ["NET_RAW"]}),
    "has a token": lambda o: pod_of(o, "index")["spec"].pop("automountServiceAccountToken"),
    "lacks requests or a limit": lambda o: container(o, "crm")["resources"].pop("limits"),
    "is no certain one": lambda o: container(o, "nats").update(image="nats:latest"),
    "which nobody makes": lambda o: variable(o, "tag", "NATS_PASSWORD")["valueFrom"]["secretKeyRef"].update(name="x"),
    "which is not defined before": lambda o: variable(o, "tag", "COLLOQUY_NATS_URL").update(value="$(NOBODY)"),
    "instead of its own": lambda o: variable(o, "tag", "NATS_PASSWORD")["valueFrom"]["secretKeyRef"].update(
        key="COLLOQUY_OPERATOR_PASSWORD"),
    "connects as somebody else": lambda o: variable(o, "tag", "COLLOQUY_NATS_URL").update(
        value="nats://decode:$(NATS_PASSWORD)@x:4222"),
    "which is no volume": lambda o: pod_of(o, "tag")["spec"]["volumes"].pop(),
    "selects nothing": lambda o: first(o, "Service")["spec"]["selector"].update(app="x"),
    "which is not there": lambda o: first(o, "Service")["spec"]["ports"][0].update(targetPort="x"),
    "selects no pod": lambda o: first(o, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"].update(a="b"),
    "fights with the replicas": lambda o: next(
        one for one in o if one["kind"] == "Deployment" and one["metadata"]["name"].endswith("-tag")
    )["spec"].update(replicas=2),
    "watches": lambda o: first(o, "ScaledObject")["spec"]["triggers"][0]["metadata"].update(consumer="tga"),
    "is no string": lambda o: pod_of(o, "tag")["metadata"]["labels"].update(build=7),
    "do not own each": lambda o: variable(o, "index", "COLLOQUY_INDEX_PARTITIONS").update(value="0-14"),
    "is there twice": lambda o: o.append(copy.deepcopy(first(o, "Service"))),
    "does not know": lambda o: container(o, "tag")["env"].append({"name": "OTEL_TRACE_SAMPLER", "value": "x"}),
    "lets metrics and probes out": lambda o: first(o, "Ingress")["spec"]["rules"][0]["http"]["paths"][0].update(path="/"),
    "has other permissions": lambda o: next(
        one for one in o if one["kind"] == "ConfigMap" and "permissions.conf" in one["data"]
    )["data"].update({"permissions.conf": "authorization {}"}),
    "Additional properties": lambda o: first(o, "ScaledObject")["spec"].update(minReplicas=1),
    "Kubernetes 1.37": lambda o: first(o, "Deployment")["spec"].update(replica=1),
}


def main():
    values, rendered = map(pathlib.Path, sys.argv[1:])
    settings = yaml.safe_load(values.read_text())
    objects = [one for one in yaml.safe_load_all(rendered.read_text()) if one]
    missed = []

    def problems(changed):
        # Schemas are slow: only for what differs from the rendering.
        differing = [one for one in changed if one not in objects]
        return Release(changed, settings, None).problems() + Schemas(["1.37"]).problems(differing)

    if problems(copy.deepcopy(objects)):
        sys.exit("manifests-test: the rendering itself has faults")
    for expected, spoil in FAULTS.items():
        changed = copy.deepcopy(objects)
        spoil(changed)
        if not any(expected in problem for problem in problems(changed)):
            missed.append(expected)
    if missed:
        sys.exit(f"manifests-test: not found: {missed}")
    print(f"manifests-test: {len(FAULTS)} faults, all found")


if __name__ == "__main__":
    main()
