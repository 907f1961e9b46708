#!/usr/bin/env python3
"""Transcribes the same recordings with the platform's engine and with its peers, in turns.

    compare.py --ours PROGRAM [--models tiny.en,base] [--files NAME,…] [--repeat 3] [--peers …] [--json FILE]
    compare.py --from FILE [FILE …]

PROGRAM is the built `benches/transcribe.rs` (`cargo bench --bench transcribe` passes it). What is measured
and how it is counted is in docs/performance.md. The exit code says whether it ran, not who won.
"""

import argparse
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import platform
import sys
import tempfile
import time
import tomllib
from pathlib import Path

import ggml
from recordings import ROOT, all_recordings
from report import report
from tool import Tool, environment

HERE = Path(__file__).resolve().parent
OURS = "ours"
PEERS = {"fw sequential": "sequential", "fw batched": "batched", "whisper.cpp": "whisper.cpp"}
# What the targets are about; another peer is only shown.
RIVALS = ("fw sequential", "fw batched")
# Segments that faster-whisper's batched way takes at once, unless told otherwise.
PEER_BATCH = 8
# For the patience with decoding, before the length is known.
MOST_AUDIO_SECONDS = 60
# Threads that wait by spinning do so for up to 200 ms after the work.
PAUSE_SECONDS = 0.3


def cache():
    place = os.environ.get("COLLOQUY_CACHE")
    return Path(place) if place else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "colloquy"


def model_folder(model):
    """The folder of a model: of the asset cache, or given as a path."""
    if os.sep in model:
        return Path(model)
    assets = tomllib.loads((ROOT / "deploy" / "assets.toml").read_text("utf-8"))["asset"]
    versions = [asset["version"] for asset in assets if asset["name"] == f"whisper-{model}"]
    if not versions:
        raise SystemExit(f"bench: deploy/assets.toml has no whisper-{model}; give a folder's path, or another name")
    return cache() / f"whisper-{model}" / versions[0]


def processor():
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ours", help="the built program of benches/transcribe.rs")
    parser.add_argument("--models", default="tiny.en,base", help="names in the asset cache, or paths [%(default)s]")
    parser.add_argument("--files", default="", help="names of recordings, separated by commas [all]")
    parser.add_argument("--audio", type=Path, default=os.environ.get("COLLOQUY_BENCH_AUDIO") or None,
                        help="a folder of recordings of one's own [$COLLOQUY_BENCH_AUDIO]")
    parser.add_argument("--peers", default="faster-whisper,whisper.cpp",
                        help="of these, one way of faster-whisper (sequential, batched), or none [%(default)s]")
    parser.add_argument("--repeat", type=int, default=3, help="rounds [%(default)s]")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of each tool [%(default)s]")
    parser.add_argument("--beam-size", type=int, default=1, help="[%(default)s]")
    parser.add_argument("--batch-size", type=int, help=f"[each tool's own default; faster-whisper's is {PEER_BATCH}]")
    parser.add_argument("--language", default="en", help="or auto [%(default)s]")
    parser.add_argument("--json", type=Path, help="file for everything that was measured")
    parser.add_argument("--from", dest="earlier", type=Path, nargs="+", help="only report what these files hold")
    given = parser.parse_args()
    if not given.earlier and not given.ours:
        parser.error("--ours is needed: run `cargo bench --bench transcribe`, which passes it")
    return given


def split(names):
    return [name for name in names.split(",") if name and name != "none"]


def peers_of(given):
    """The chosen peers; `faster-whisper` is both of its ways."""
    chosen = split(given.peers)
    if unknown := [name for name in chosen if name not in {"faster-whisper", *PEERS.values()}]:
        raise SystemExit(f"bench: no peer {', '.join(unknown)}; there are faster-whisper, {', '.join(PEERS.values())} "
                         "and none")
    return {name: kind for name, kind in PEERS.items()
            if kind in chosen or name in RIVALS and "faster-whisper" in chosen
            if kind != "whisper.cpp" or has_whisper_cpp()}


def has_whisper_cpp():
    return importlib.util.find_spec("pywhispercpp") is not None


def ggml_file(folder):
    """The model in a folder, written for whisper.cpp; kept in the cache under the digest of what it was made from."""
    with (folder / "model.bin").open("rb") as model:
        path = cache() / "bench-ggml" / f"{hashlib.file_digest(model, 'sha256').hexdigest()[:16]}.bin"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        ggml.convert(folder, path)
    return str(path)


def start(given, model):
    """The tools, each with the model loaded."""
    folder = model_folder(model)
    setup = {"model": str(folder), "threads": given.threads, "beam_size": given.beam_size,
             "batch_size": given.batch_size, "language": None if given.language == "auto" else given.language}
    peers_setup = setup | {"batch_size": given.batch_size or PEER_BATCH}
    where = environment(given.threads)
    tools = [Tool(OURS, [given.ours, "--serve", json.dumps(setup)], where)]
    for name, kind in peers_of(given).items():
        if kind == "whisper.cpp":
            side = ["whisper_cpp_side.py", json.dumps({"ggml": ggml_file(folder)} | peers_setup)]
        else:
            side = ["faster_whisper_side.py", kind, json.dumps(peers_setup)]
        tools.append(Tool(name, [sys.executable, "-B", HERE / side[0], *side[1:]], where))
    return tools


def measure(tool, recording, apart):
    """One run: decode, then transcribe."""
    time.sleep(PAUSE_SECONDS)
    decoded = tool.order({"decode": str(recording.path), "apart": apart}, MOST_AUDIO_SECONDS)
    done = tool.order({"transcribe": True}, decoded["audio_seconds"] * decoded["channels"])
    return {
        "audio_seconds": decoded["audio_seconds"],
        "decode_seconds": decoded["seconds"],
        "decode_cpu_seconds": decoded["cpu_seconds"],
        "seconds": done["seconds"],
        "cpu_seconds": done["cpu_seconds"],
        "peak_mib": max(decoded["peak_mib"], done["peak_mib"]),
        "words": done["words"],
        "texts": done["texts"],
        "mixed": done["mixed"],
    }


def progress(text):
    if sys.stderr.isatty():
        print(f"{text:<78.78}", end="\r", file=sys.stderr, flush=True)


def run_model(given, model, recordings, stereo):
    """All runs with one model, the tools taking turns at each recording."""
    tools, runs = start(given, model), []
    for at in range(given.repeat):
        order = tools[at % len(tools):] + tools[:at % len(tools)]
        for recording in recordings:
            progress(f"{model} round {at + 1} of {given.repeat}: {recording.name}")
            for tool in order:
                # Ours keeps channels by itself: one run counts for both ways.
                for apart in [False, True] if stereo[recording.name] and tool.name != OURS else [False]:
                    run = measure(tool, recording, apart)
                    ways = ["mixed", "apart"] if stereo[recording.name] and tool.name == OURS else []
                    for way in ways or ["apart" if apart else "mixed"]:
                        edits = recording.edits(run["texts"], run["mixed"], way == "apart")
                        runs.append({"model": model, "tool": tool.name, "file": recording.name, "way": way,
                                     "stereo": stereo[recording.name], "edits": edits and edits[0],
                                     "reference_words": edits and edits[1]} | run)
    progress("")
    processes = [{"model": model, "tool": tool.name, "load_seconds": tool.load_seconds,
                  "loaded_peak_mib": tool.loaded_peak_mib, "peak_mib": tool.peak_mib} for tool in tools]
    for tool in tools:
        tool.close()
    return processes, runs


def setup_of(given):
    return {"processor": processor(), "cores": os.cpu_count(), "threads": given.threads, "beam_size": given.beam_size,
            "batch_size": given.batch_size or "default", "language": given.language, "compute_type": "int8", "tools": [OURS, *peers_of(given)],
            "faster_whisper": importlib.metadata.version("faster-whisper"),
            "ctranslate2": importlib.metadata.version("ctranslate2")}


def merged(files):
    """What several runs measured, as one."""
    parts = [json.loads(file.read_text("utf-8")) for file in files]
    if any(part["setup"] != parts[0]["setup"] for part in parts):
        raise SystemExit("bench: these files were measured with different settings; report each by itself")
    whole = {"setup": parts[0]["setup"], "notes": [], "processes": [], "runs": []}
    for part in parts:
        whole["notes"] += [note for note in part["notes"] if note not in whole["notes"]]
        whole["processes"] += part["processes"]
        whole["runs"] += part["runs"]
    return whole


def measured(given, scratch):
    librivox = cache() / "bench-librivox"
    recordings = all_recordings(given.audio, librivox, scratch, split(given.files))
    stereo = {recording.name: recording.is_stereo() for recording in recordings}
    notes = []
    if not has_whisper_cpp():
        notes.append("whisper.cpp: left out, pywhispercpp could not be installed")
    elif "whisper.cpp" in peers_of(given):
        notes.append(f"whisper.cpp of pywhispercpp {importlib.metadata.version('pywhispercpp')}: Q8_0, and without voice "
                     "activity detection, for its model of that is on no package registry")
    if not (librivox / "transcription").exists():
        notes.append("read sentences (Debian's pocketsphinx-testdata): left out, could not be downloaded")
    if not given.audio:
        notes.append("recordings of one's own: none, COLLOQUY_BENCH_AUDIO names no folder")
    everything = {"setup": setup_of(given), "notes": notes, "processes": [], "runs": []}
    for model in split(given.models):
        processes, runs = run_model(given, model, recordings, stereo)
        everything["processes"] += processes
        everything["runs"] += runs
    return everything


def main():
    given = arguments()
    with tempfile.TemporaryDirectory() as scratch:
        everything = merged(given.earlier) if given.earlier else measured(given, Path(scratch))
    everything["summary"] = report(everything, OURS, RIVALS)
    if given.json:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        given.json.write_text(json.dumps(everything, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
