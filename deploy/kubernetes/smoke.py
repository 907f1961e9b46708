"""Runs what the chart renders, without Kubernetes. See smoke.sh, which starts this."""

import argparse
import base64
import fcntl
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

import yaml

import metrics

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
RELEASE, NAMESPACE = "colloquy", "calls"
PROGRAM = os.environ["COLLOQUY_BIN"]
CACHE = pathlib.Path(os.environ["COLLOQUY_CACHE"])
# How long anything may take, in seconds. Debug builds load models slowly.
PATIENCE = 180
# What is redacted and how, before it is changed and after that.
POLICY = '''
name = "smoke"
[default.types]
PERSON = "hash"
[default.audio]
format = "{format}"
'''
OBJECTS = [
    {"kind": "ConfigMap", "metadata": {"name": "redaction"}, "data": {"policy.toml": POLICY.format(format="flac")}},
    {"kind": "Secret", "metadata": {"name": "redaction-key"},
     "data": {"key": base64.b64encode(b"a key of the smoke test").decode()}},
]
SETTINGS = [
    "workerDefaults.autoscaling.enabled=true", "redaction.policy.name=redaction",
    "redaction.existingSecret=redaction-key", "transcribe.channelRoles={agent,customer}", "transcribe.threads=1",
]
UNVERIFIED = ssl.create_default_context()
UNVERIFIED.check_hostname = False
UNVERIFIED.verify_mode = ssl.CERT_NONE
# Metrics that are told once something has gone wrong, or somebody has searched.
UNTIL_IT_HAPPENS = {
    "colloquy_dead_letters_total", "colloquy_redeliveries_total", "colloquy_search_duration_seconds_bucket",
    "colloquy_search_requests_total",
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--helm", required=True)
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--call", type=pathlib.Path)
    options = parser.parse_args()
    settings = SETTINGS + (["tls.enabled=true", "gateway.tls.enabled=true"] if options.tls else [])
    with tempfile.TemporaryDirectory(prefix="colloquy-smoke-") as folder:
        cluster = Cluster(pathlib.Path(folder), render(options.helm, settings) + OBJECTS)
        try:
            cluster.run(options.call)
        except Wrong as error:
            cluster.logs()
            sys.exit(f"smoke: {error}")
        finally:
            cluster.stop()
    say("everything that was started came up" + (", over TLS" if options.tls else ""))


class Wrong(Exception):
    """What was expected did not come."""


def say(line):
    print(f"smoke: {line}", flush=True)


def render(helm, settings):
    command = [helm, "template", RELEASE, str(ROOT / "helm" / "colloquy"), "--namespace", NAMESPACE]
    for one in settings:
        command += ["--set", one]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return [one for one in yaml.safe_load_all(done.stdout) if one]


class Cluster:
    """Every pod of the release as processes; each pod has a loopback address."""

    def __init__(self, folder, objects):
        self.folder = folder
        self.objects = objects
        self.processes = {}
        self.addresses = {}
        self.pods = self.place()
        loopback_up()
        self.hosts()

    def named(self, kind, name):
        return next(one for one in self.objects if (one["kind"], one["metadata"]["name"]) == (kind, name))

    def place(self):
        """Pods by name; one of each Deployment, all of each StatefulSet."""
        pods = {}
        for one in self.objects:
            name = one["metadata"]["name"]
            if one["kind"] == "Deployment":
                pods[f"{name}-0"] = one
            elif one["kind"] == "StatefulSet":
                for number in range(one["spec"]["replicas"]):
                    pods[f"{name}-{number}"] = one
            elif one["kind"] == "Job":
                pods[name] = one
        for number, name in enumerate(pods):
            self.addresses[name] = f"127.77.0.{number + 1}"
        return pods

    def hosts(self):
        """Names of pods and services, as the cluster's DNS would tell them."""
        lines = ["127.0.0.1 localhost"]

        def add(address, *names):
            for name in names:
                lines.append(f"{address} {name} {name}.{NAMESPACE} {name}.{NAMESPACE}.svc {name}.{NAMESPACE}.svc.cluster.local")

        for service in (one for one in self.objects if one["kind"] == "Service"):
            name = service["metadata"]["name"]
            for pod, owner in self.pods.items():
                labels = owner["spec"]["template"]["metadata"]["labels"]
                if service["spec"]["selector"].items() <= labels.items():
                    add(self.addresses[pod], name)
                    if owner["spec"].get("serviceName") == name:
                        add(self.addresses[pod], f"{pod}.{name}")
        path = self.folder / "hosts"
        path.write_text("\n".join(lines) + "\n")
        subprocess.run(["mount", "--bind", str(path), "/etc/hosts"], check=True)

    def run(self, call):
        started = time.monotonic()
        for pod, owner in self.pods.items():
            if component(owner) == "nats":
                self.start(pod, owner)
        self.finish("bootstrap", next(one for one in self.objects if one["kind"] == "Job"))
        say(f"the bootstrap Job is done after {time.monotonic() - started:.1f} s: {self.said('bootstrap')}")
        for pod, owner in self.pods.items():
            # Jaeger is not here: traces go nowhere, which is no error. Nor is anybody's shell.
            if component(owner) not in ("nats", "jaeger", "operator", "bootstrap"):
                self.init(pod, owner)
                self.start(pod, owner)
        for pod in self.processes:
            self.ready(pod)
        say(f"{len(self.processes)} processes are ready after {time.monotonic() - started:.1f} s")
        self.test()
        if call:
            self.pipeline(call, "audio/flac")
        self.doctor()
        self.lag()
        self.outage()
        if call:
            self.policy()
            self.pipeline(call, "audio/wav")
            self.metrics()

    # What a pod is made of.

    def container(self, owner):
        return owner["spec"]["template"]["spec"]["containers"][0]

    def home(self, pod):
        home = self.folder / pod
        home.mkdir(exist_ok=True)
        return home

    def environment(self, pod, container):
        """The container's variables, with secrets and references, and what its image sets."""
        values = {"PATH": f"{pathlib.Path(PROGRAM).parent}:/usr/bin:/bin", "COLLOQUY_CACHE": "/models",
                  "COLLOQUY_DATA": "/data"}
        for library in ("LD_LIBRARY_PATH",):
            if library in os.environ:
                values[library] = os.environ[library]
        for variable in container.get("env", []):
            source = variable.get("valueFrom", {})
            if "secretKeyRef" in source:
                secret = self.named("Secret", source["secretKeyRef"]["name"])
                value = base64.b64decode(secret["data"][source["secretKeyRef"]["key"]]).decode()
            elif "fieldRef" in source:
                value = pod
            else:
                value = re.sub(r"\$\((\w+)\)", lambda found: values[found[1]], variable["value"])
            values[variable["name"]] = value
        return {name: self.moved(pod, value) for name, value in values.items()}

    def moved(self, pod, text):
        """The same with this machine's paths, and this pod's address where it listens on all."""
        home = self.home(pod)
        text = text.replace("0.0.0.0", self.addresses[pod])
        for path in ("/data", "/run/nats", "/etc/nats-tls", "/etc/nats", "/etc/colloquy", "/models"):
            text = re.sub(rf"(?<![\w/.-]){path}(?![\w-])", str(home) + path, text)
        return text

    def volumes(self, pod, owner):
        """Config maps, secrets and empty folders at their places below the pod's home."""
        spec = owner["spec"]["template"]["spec"]
        home = self.home(pod)
        for mount in (m for c in spec.get("initContainers", []) + spec["containers"] for m in c.get("volumeMounts", [])):
            place = home / mount["mountPath"].lstrip("/")
            place.mkdir(parents=True, exist_ok=True)
            volume = next((one for one in spec.get("volumes", []) if one["name"] == mount["name"]), {})
            if "configMap" in volume:
                contents = self.named("ConfigMap", volume["configMap"]["name"])["data"]
                for name, content in chosen(volume["configMap"], contents):
                    (place / name).write_text(self.moved(pod, content) if component(owner) == "nats" else content)
            elif "secret" in volume:
                contents = self.named("Secret", volume["secret"]["secretName"])["data"]
                for name, content in chosen(volume["secret"], contents):
                    (place / name).write_bytes(base64.b64decode(content))

    # What is run.

    def command(self, pod, container):
        if container["name"] == "nats":
            (server,) = CACHE.glob("nats-server/*/bin/nats-server")
            return [str(server), *(self.moved(pod, one) for one in container["args"])]
        command = container.get("command", [PROGRAM]) + container.get("args", [])
        return [one.replace("/etc/colloquy/scripts", str(self.home(pod)) + "/etc/colloquy/scripts") for one in command]

    def start(self, pod, owner):
        container = self.container(owner)
        self.volumes(pod, owner)
        log = (self.folder / f"{pod}.log").open("ab")
        self.processes[pod] = subprocess.Popen(
            self.command(pod, container), env=self.environment(pod, container), stdout=log, stderr=log,
            cwd=self.home(pod), start_new_session=True,
        )

    def init(self, pod, owner):
        """The init containers; of the cache, a pod gets the models only that are copied into it."""
        self.volumes(pod, owner)
        for container in owner["spec"]["template"]["spec"].get("initContainers", []):
            if container["name"] == "models":
                for model in container["args"]:
                    name = model.removeprefix("/models/")
                    (self.home(pod) / "models" / name).symlink_to(CACHE / name)
            else:
                self.complete(pod, pod, container)

    def complete(self, pod, name, container):
        with (self.folder / f"{name}.log").open("ab") as log:
            done = subprocess.run(
                self.command(pod, container), env=self.environment(pod, container), stdout=log, stderr=log,
                timeout=PATIENCE, cwd=self.home(pod), check=False,
            )
        if done.returncode:
            raise Wrong(f"{name}, {container['name']} ended with {done.returncode}")

    def finish(self, name, job):
        pod = job["metadata"]["name"]
        self.addresses[name], self.pods[name] = self.addresses[pod], job
        del self.pods[pod]
        for attempt in range(job["spec"]["backoffLimit"] + 1):
            try:
                self.init(name, job)
                self.complete(name, name, self.container(job))
                return
            except Wrong as wrong:
                # As a Job with restartPolicy OnFailure does; the first pause is 10 s there.
                say(f"{wrong}: {self.said(name)}; attempt {attempt + 1}")
                time.sleep(2)
        raise Wrong(f"{name} fails")

    def ready(self, pod):
        owner = self.pods[pod]
        container = self.container(owner)
        probe = container["readinessProbe"]["httpGet"]
        port = next(one["containerPort"] for one in container["ports"] if one["name"] == probe["port"])
        address = f"{probe.get('scheme', 'http').lower()}://{self.addresses[pod]}:{port}{probe['path']}"

        def answered():
            ended = self.processes[pod].poll()
            if ended is not None:
                raise Wrong(f"{pod} ended with {ended}")
            try:
                # As a kubelet does, who trusts everybody.
                with urllib.request.urlopen(address, timeout=5, context=UNVERIFIED) as answer:
                    return answer.status == 200
            except OSError:
                return False

        wait(answered, f"{pod} is not ready")

    def test(self):
        """The chart's own test, and that nobody gets further than with a user's own permissions."""
        test = next(one for one in self.objects if one["kind"] == "Pod")
        self.addresses["test"], self.pods["test"] = "127.77.0.250", {"spec": {"template": test}, **test}
        self.volumes("test", {"spec": {"template": test}, "metadata": test["metadata"]})
        for container in test["spec"]["containers"]:
            # The service's port leads to the container's.
            for variable in container.get("env", []):
                if variable["name"] == "PORT":
                    variable["value"] = "8080"
            self.complete("test", "test", container)
        say("helm test passes: " + "; ".join((self.folder / "test.log").read_text().split("\n")[-5:-1]).replace("\r", ""))
        del self.pods["test"]

    def operator(self, *arguments):
        owner = self.named("Deployment", f"{RELEASE}-operator")
        pod = f"{RELEASE}-operator-0"
        self.volumes(pod, owner)
        done = subprocess.run(
            [PROGRAM, *arguments], env=self.environment(pod, self.container(owner)), capture_output=True,
            text=True, timeout=PATIENCE, cwd=self.home(pod), check=False,
        )
        if done.returncode:
            raise Wrong(f"colloquy {' '.join(arguments)} as the operator: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout.strip()

    def pipeline(self, call, audio):
        """Posts a call and waits until it is searchable, redacted as the policy says."""
        key = self.key()
        api = f"{self.gateway()}/v1"
        context = self.trust()

        def open_(path, data=None, **headers):
            request = urllib.request.Request(api + path, data, {"authorization": f"Bearer {key}", **headers})
            return urllib.request.urlopen(request, timeout=30, context=context)

        def ask(*path_and_data, **headers):
            with open_(*path_and_data, **headers) as answer:
                return json.load(answer)

        started = time.monotonic()
        posted, status = {}, {}

        def accepted():
            # Repeated under one key, a post is one conversation.
            posted.update(ask("/conversations", call.read_bytes(), **{
                "content-type": "application/octet-stream", "idempotency-key": f"smoke-{key[-12:]}"}))
            return True

        def done():
            status.update(ask(f"/conversations/{posted['id']}"))
            return status["status"] in ("completed", "error")

        wait(patient(accepted), "the call is not accepted")

        wait(patient(done), "the call is not done")
        if status["status"] != "completed":
            raise Wrong(f"the call ended with {status}")
        say(f"a call is searchable {time.monotonic() - started:.1f} s after it was posted")
        with open_(f"/conversations/{posted['id']}/audio") as answer:
            if answer.headers.get_content_type() != audio:
                raise Wrong(f"the recording is {answer.headers['content-type']} and not {audio}, as the policy says")
        with open_(f"/conversations/{posted['id']}/transcript") as answer:
            if not re.search(r"\[PERSON_[0-9A-F]{12}\]", answer.read().decode()):
                raise Wrong("the transcript has no hashed name, as the policy says")
        say(f"names are hashed and the recording is {audio}, as the policy says")
        # The read models have their say in the audit.
        wait(lambda: self.audited(), "the audit is not clean")
        say("the audit is clean")

    def key(self):
        """A new API key; after the loss of a server, others must have been elected first."""
        found = []

        def made():
            try:
                found.append(self.operator("keys", "create", "--name", "smoke"))
            except Wrong as wrong:
                self.last = str(wrong)
            return found

        wait(made, "no key can be made")
        return found[0]

    def audited(self):
        try:
            self.operator("audit", "--settle", "0s")
        except Wrong as wrong:
            if "Connect" in str(wrong):
                raise
            return False
        return True

    def outage(self):
        """One of three servers dies and stays away: everything goes on."""
        pod = next(one for one, owner in self.pods.items() if component(owner) == "nats" and one.endswith("-1"))
        process = self.processes.pop(pod)
        process.kill()
        process.wait()
        # Who comes next asks a server that lives: the cluster leaves out one that is not ready.
        hosts = pathlib.Path("/etc/hosts")
        address = self.addresses[pod]
        hosts.write_text("\n".join(line for line in hosts.read_text().splitlines() if line.split()[0] != address) + "\n")
        for other in self.processes:
            self.ready(other)
        say(f"{pod} was killed; everybody else is ready")

    def policy(self):
        """A changed ConfigMap is taken over by the pod that runs."""
        pod = next(one for one, owner in self.pods.items() if component(owner) == "anonymize")
        mounts = self.container(self.pods[pod])["volumeMounts"]
        folder = next(one["mountPath"] for one in mounts if one["name"] == "redaction-policy")
        (self.home(pod) / folder.lstrip("/") / "policy.toml").write_text(POLICY.format(format="wav"))
        log = self.folder / f"{pod}.log"
        wait(lambda: "redaction policy read again" in log.read_text(), "a changed redaction policy is not read")

    def metrics(self):
        """Alerts and dashboards ask for what the processes really tell."""
        asked = set()
        for _, expression in metrics.expressions():
            asked |= metrics.used(expression) - metrics.LABELS
        missing = []

        def told():
            # The warehouse writes its first rows after half a minute.
            missing[:] = sorted(asked - self.told() - UNTIL_IT_HAPPENS)
            return not missing

        try:
            wait(told, "")
        except Wrong as wrong:
            raise Wrong(f"alerts or dashboards ask for {missing}, which no process tells") from wrong
        say(f"processes tell all {len(asked - UNTIL_IT_HAPPENS)} metrics of alerts and dashboards that need no mishap")

    def told(self):
        """Names of metrics of all processes."""
        names = set()
        for pod, process in self.processes.items():
            owner = self.pods[pod]
            if component(owner) != "nats" and process.poll() is None:
                port = self.container(owner)["ports"][0]["containerPort"]
                scheme = "https" if self.container(owner)["ports"][0]["name"] == "https" else "http"
                address = f"{scheme}://{self.addresses[pod]}:{port}/metrics"
                with urllib.request.urlopen(address, timeout=10, context=UNVERIFIED) as answer:
                    lines = answer.read().decode().splitlines()
                names |= {re.match(r"\w+", line)[0] for line in lines if line and not line.startswith("#")}
        return names

    def gateway(self):
        """Its address, as its clients know it; the service's port leads to the container's."""
        port = self.container(self.named("Deployment", f"{RELEASE}-gateway"))["ports"][0]
        return f"{port['name']}://{RELEASE}-gateway:{port['containerPort']}"

    def trust(self):
        """What a client of the gateway is given to trust, if it speaks TLS."""
        if not self.gateway().startswith("https"):
            return None
        secret = self.named("Secret", f"{RELEASE}-gateway-tls")
        return ssl.create_default_context(cadata=base64.b64decode(secret["data"]["ca.crt"]).decode())

    def doctor(self):
        # The service's port leads to the container's, which nothing does here.
        report = self.operator("doctor", "--without-models", "--gateway", self.gateway())
        say("colloquy doctor: " + report.splitlines()[-1])

    def lag(self):
        """Every ScaledObject's trigger leads to its consumer, the way KEDA's scaler goes."""
        triggers = [t["metadata"] for one in self.objects if one["kind"] == "ScaledObject" for t in one["spec"]["triggers"]]
        for trigger in triggers:
            host = trigger["natsServerMonitoringEndpoint"]

            def details(host, trigger=trigger):
                query = urllib.parse.urlencode({"acc": trigger["account"], "consumers": "true", "config": "true"})
                with urllib.request.urlopen(f"http://{host}/jsz?{query}", timeout=10) as answer:
                    accounts = json.load(answer)["account_details"]
                return next(
                    (consumer for account in accounts if account["name"] == trigger["account"]
                     for stream in account["stream_detail"] if stream["name"] == trigger["stream"]
                     for consumer in stream["consumer_detail"] if consumer["name"] == trigger["consumer"]), None)

            found = details(host)
            # It asks the consumer's leader, whose name it puts before the host.
            found = found and details(f"{found['cluster']['leader']}.{host}")
            if not found or found["num_pending"] + found["num_ack_pending"] < 0:
                raise Wrong(f"KEDA would not find {trigger['stream']}/{trigger['consumer']}")
        say(f"the broker tells the lag of all {len(triggers)} triggers where KEDA asks for it")

    def said(self, name):
        lines = (self.folder / f"{name}.log").read_text().strip().splitlines()
        return lines[-1] if lines else ""

    def logs(self):
        for path in sorted(self.folder.glob("*.log")):
            lines = path.read_text(errors="replace").splitlines()[-8:]
            print(f"--- {path.name}", *lines, sep="\n", file=sys.stderr)

    def stop(self):
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            try:
                process.wait(45)
            except subprocess.TimeoutExpired:
                process.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def chosen(volume, contents):
    """Names and contents of a volume's files: all, or its items."""
    if "items" in volume:
        return [(item["path"], contents[item["key"]]) for item in volume["items"]]
    return contents.items()


def component(owner):
    return owner["metadata"]["labels"]["app.kubernetes.io/component"]


def patient(condition):
    """The same, where "not now" is no more than that: a client would come back, too."""
    def asked():
        try:
            return condition()
        except urllib.error.HTTPError as error:
            if error.code not in (429, 503):
                raise Wrong(f"{error.code} {error.read().decode(errors='replace')}") from error
            return False

    return asked


def wait(condition, otherwise):
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.3)
    raise Wrong(f"{otherwise} after {PATIENCE} s")


def loopback_up():
    """ip link set lo up, for machines without ip."""
    siocgifflags, siocsifflags, iff_up = 0x8913, 0x8914, 1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sH14x", b"lo", 0)
        flags = struct.unpack("16sH14x", fcntl.ioctl(any_socket, siocgifflags, request))[1]
        fcntl.ioctl(any_socket, siocsifflags, struct.pack("16sH14x", b"lo", flags | iff_up))


if __name__ == "__main__":
    main()
