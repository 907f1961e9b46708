"""One transcriber in a process of its own, watched from outside.

Processor time and peak memory are read from the system, for all tools in the same way (Linux only).
"""

import json
import os
import select
import subprocess
import tempfile
import time
from pathlib import Path

# What one order may take at most: a tool that hangs is an error, not a measurement.
PATIENCE_SECONDS, PATIENCE_PER_AUDIO_SECOND = 120, 10
CPU_CLOCK_OF_PROCESS = 2


class Tool:
    """A running transcriber with a loaded model."""

    def __init__(self, name, command, environment):
        self.name = name
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, env=environment
        )
        self.peak_mib = 0.0
        self.load_seconds = self._answer(0)["load_seconds"]
        self.loaded_peak_mib = self._take_peak()

    def order(self, line, audio_seconds):
        """What the tool answers, with `cpu_seconds` and `peak_mib` of doing it."""
        before = self._cpu_seconds()
        self.process.stdin.write(json.dumps(line).encode() + b"\n")
        self.process.stdin.flush()
        answer = self._answer(audio_seconds)
        return answer | {"cpu_seconds": self._cpu_seconds() - before, "peak_mib": self._take_peak()}

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _answer(self, audio_seconds):
        patience = PATIENCE_SECONDS + PATIENCE_PER_AUDIO_SECOND * audio_seconds
        ready, _, _ = select.select([self.process.stdout], [], [], patience)
        line = self.process.stdout.readline() if ready else b""
        if line.endswith(b"\n"):
            return json.loads(line)
        self.process.kill()
        self.log.seek(0)
        said = self.log.read().decode(errors="replace").strip().splitlines()
        happened = "ended" if ready else f"did not answer within {patience:.0f} s"
        raise SystemExit("\n".join([f"bench: {self.name} {happened}; it said last:", *said[-20:]]))

    def _cpu_seconds(self):
        return time.clock_gettime((~self.process.pid << 3) | CPU_CLOCK_OF_PROCESS)

    def _take_peak(self):
        """Peak memory in MiB since the last look; the peak of the process's life is kept beside."""
        folder = Path("/proc") / str(self.process.pid)
        status = (folder / "status").read_text().splitlines()
        (kib,) = (int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
        (folder / "clear_refs").write_text("5")
        self.peak_mib = max(self.peak_mib, kib / 1024)
        return kib / 1024


def environment(threads):
    """Each tool's libraries get the same threads."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")
    return os.environ | dict.fromkeys(names, str(threads)) | {"HF_HUB_OFFLINE": "1"}
