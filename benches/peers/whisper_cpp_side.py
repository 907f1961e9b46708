"""whisper.cpp's side of the comparison: a line of JSON in, a line of JSON out.

    whisper_cpp_side.py SETUP

As faster_whisper_side.py. whisper.cpp takes samples; PyAV decodes, as it does for faster-whisper. It runs
without voice activity detection, for its model of that is on no package registry.
"""

import json
import sys
import time

import av
import numpy
from pywhispercpp.model import Model

SAMPLE_RATE = 16_000


def load(setup):
    beam = setup["beam_size"]
    return Model(
        setup["ggml"],
        params_sampling_strategy=int(beam > 1),
        redirect_whispercpp_logs_to=None,
        n_threads=setup["threads"],
        language=setup["language"] or "auto",
        print_progress=False,
        # One segment for each word: times for all of them.
        token_timestamps=True,
        split_on_word=True,
        max_len=1,
        **({"beam_search": {"beam_size": beam, "patience": -1.0}} if beam > 1 else {}),
    )


def decode(path, apart):
    start = time.perf_counter()
    resampler = av.AudioResampler(format="flt", layout="stereo" if apart else "mono", rate=SAMPLE_RATE)
    with av.open(path) as container:
        frames = [part.to_ndarray() for frame in container.decode(audio=0) for part in resampler.resample(frame)]
    frames += [part.to_ndarray() for part in resampler.resample(None)]
    packed = numpy.concatenate(frames, axis=1)[0].reshape(-1, 2 if apart else 1)
    channels = list(numpy.ascontiguousarray(packed.T))
    return channels, {
        "seconds": time.perf_counter() - start,
        "audio_seconds": len(channels[0]) / SAMPLE_RATE,
        "channels": len(channels),
    }


def understand(model, channels):
    start = time.perf_counter()
    heard = [model.transcribe(samples) for samples in channels]
    seconds = time.perf_counter() - start
    in_order = sorted((word for words in heard for word in words), key=lambda word: word.t0)
    return {
        "seconds": seconds,
        "texts": [" ".join(word.text for word in words) for words in heard],
        "mixed": " ".join(word.text for word in in_order),
        "words": len(in_order),
    }


def main():
    start = time.perf_counter()
    model = load(json.loads(sys.argv[1]))
    print(json.dumps({"load_seconds": time.perf_counter() - start, "system": Model.system_info()}), flush=True)
    channels = []
    for line in sys.stdin:
        order = json.loads(line)
        if "decode" in order:
            channels = []
            channels, answer = decode(order["decode"], order.get("apart", False))
        else:
            answer = understand(model, channels)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
