"""faster-whisper's side of the comparison: a line of JSON in, a line of JSON out.

    faster_whisper_side.py sequential|batched SETUP

SETUP is the JSON that `benches/transcribe.rs` gets as well; its head describes the lines. Besides,
{"decode": path, "apart": true} keeps the two channels of a stereo file, each of which is then
transcribed on its own; without, a file becomes one channel, as faster-whisper does by itself.
"""

import json
import sys
import time

import numpy
from faster_whisper import BatchedInferencePipeline, WhisperModel
from faster_whisper.audio import decode_audio

SAMPLE_RATE = 16_000


def load(kind, setup):
    """What transcribes one channel: a function from samples to segments."""
    model = WhisperModel(setup["model"], device="cpu", compute_type="int8", cpu_threads=setup["threads"])
    options = {
        "language": setup["language"],
        "beam_size": setup["beam_size"],
        "word_timestamps": True,
        "vad_filter": True,
    }
    if kind == "batched":
        model = BatchedInferencePipeline(model)
        options["batch_size"] = setup["batch_size"]

    def transcribe(samples):
        segments, _ = model.transcribe(samples, **options)
        return list(segments)

    return transcribe


def decode(path, apart):
    start = time.perf_counter()
    channels = list(decode_audio(path, split_stereo=True)) if apart else [decode_audio(path)]
    return channels, {
        "seconds": time.perf_counter() - start,
        "audio_seconds": len(channels[0]) / SAMPLE_RATE,
        "channels": len(channels),
    }


def understand(transcribe, channels):
    start = time.perf_counter()
    heard = [transcribe(numpy.ascontiguousarray(samples)) for samples in channels]
    seconds = time.perf_counter() - start
    in_order = sorted((segment for segments in heard for segment in segments), key=lambda segment: segment.start)
    return {
        "seconds": seconds,
        "texts": [" ".join(segment.text.strip() for segment in segments) for segments in heard],
        "mixed": " ".join(segment.text.strip() for segment in in_order),
        "words": sum(len(segment.words) for segment in in_order),
    }


def main():
    start = time.perf_counter()
    transcribe = load(sys.argv[1], json.loads(sys.argv[2]))
    print(json.dumps({"load_seconds": time.perf_counter() - start}), flush=True)
    channels = []
    for line in sys.stdin:
        order = json.loads(line)
        if "decode" in order:
            channels = []  # not two recordings at once
            channels, answer = decode(order["decode"], order.get("apart", False))
        else:
            answer = understand(transcribe, channels)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
