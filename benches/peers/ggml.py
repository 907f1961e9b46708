"""Writes a CTranslate2 Whisper model as the file that whisper.cpp reads, so that all compute the same model.

The matrices become 8-bit (Q8_0: 32 weights share a 16-bit scale), which is whisper.cpp's int8.
"""

import struct

import numpy
from faster_whisper.feature_extractor import FeatureExtractor

MAGIC, Q8_0_FILE = 0x67676D6C, 7 + 2 * 1_000  # mostly Q8_0, second version of quantization
FLOAT32, FLOAT16, Q8_0, BLOCK = 0, 1, 8, 32
CT2_TYPES = {0: numpy.float32, 1: numpy.int8, 2: numpy.int16, 3: numpy.int32, 4: numpy.float16}
SAMPLE_RATE, WINDOW = 16_000, 400


class Reader:
    """The values of CTranslate2's model.bin, by name."""

    def __init__(self, path):
        self.data, self.at = path.read_bytes(), 0
        if self.take("I") != 6 or self.text() != "WhisperSpec":
            raise SystemExit(f"bench: {path} is no Whisper model of CTranslate2's sixth format")
        self.take("I")  # the specification's revision
        self.values = dict(self.value() for _ in range(self.take("I")))

    def take(self, kind):
        (value,) = struct.unpack_from("<" + kind, self.data, self.at)
        self.at += struct.calcsize("<" + kind)
        return value

    def text(self):
        length = self.take("H")
        self.at += length
        return self.data[self.at - length:self.at].rstrip(b"\0").decode()

    def value(self):
        name = self.text()
        shape = [self.take("I") for _ in range(self.take("B"))]
        kind, size = CT2_TYPES[self.take("B")], self.take("I")
        self.at += size
        array = numpy.frombuffer(self.data, kind, size // numpy.dtype(kind).itemsize, self.at - size)
        return name, array.reshape(shape)

    def float(self, name):
        value = self.values[name]
        if value.dtype not in (numpy.float16, numpy.float32):
            raise SystemExit("bench: only models of float16 or float32 can be written for whisper.cpp")
        return value.astype(numpy.float32)


def q8_0(matrix):
    blocks = matrix.reshape(-1, BLOCK)
    scale = (numpy.abs(blocks).max(axis=1, keepdims=True) / 127).astype(numpy.float16)
    divisor = numpy.where(scale == 0, 1, scale.astype(numpy.float32))
    weights = numpy.clip(numpy.rint(blocks / divisor), -127, 127).astype(numpy.int8)
    return numpy.concatenate([scale.view(numpy.int8), weights], axis=1)


def tensor(out, name, array):
    """One tensor: matrices as Q8_0, convolutions as float16, all else as float32."""
    keep = "positional" in name or name.endswith("bias") or array.ndim == 1
    kind = FLOAT32 if keep else FLOAT16 if array.ndim == 3 else Q8_0
    out.write(struct.pack("<iii", array.ndim, len(name), kind))
    out.write(struct.pack(f"<{array.ndim}i", *reversed(array.shape)) + name.encode())
    out.write((array if keep else array.astype(numpy.float16) if kind == FLOAT16 else q8_0(array)).tobytes())


def linear(out, model, source, target, part=slice(None), bias=True):
    tensor(out, f"{target}.weight", model.float(f"{source}/weight")[part])
    if bias:
        tensor(out, f"{target}.bias", model.float(f"{source}/bias")[part])


def norm(out, model, source, target):
    tensor(out, f"{target}.weight", model.float(f"{source}/gamma"))
    tensor(out, f"{target}.bias", model.float(f"{source}/beta"))


def attention(out, model, source, target, across):
    """CTranslate2 keeps query, key and value in one matrix, or query apart if the others come from the encoder."""
    norm(out, model, f"{source}/layer_norm", f"{target}_ln")
    width = model.values[f"{source}/linear_0/weight"].shape[1]
    parts = [slice(at * width, (at + 1) * width) for at in range(3)]
    query, key, value = (0, parts[0]), (int(across), parts[0 if across else 1]), (int(across), parts[1 if across else 2])
    for (matrix, part), what in ((query, "query"), (key, "key"), (value, "value")):
        linear(out, model, f"{source}/linear_{matrix}", f"{target}.{what}", part, bias=what != "key")
    linear(out, model, f"{source}/linear_{1 + across}", f"{target}.out")


def layer(out, model, side, at):
    source, target = f"{side}/layer_{at}", f"{side}.blocks.{at}"
    attention(out, model, f"{source}/self_attention", f"{target}.attn", False)
    if side == "decoder":
        attention(out, model, f"{source}/attention", f"{target}.cross_attn", True)
    norm(out, model, f"{source}/ffn/layer_norm", f"{target}.mlp_ln")
    linear(out, model, f"{source}/ffn/linear_0", f"{target}.mlp.0")
    linear(out, model, f"{source}/ffn/linear_1", f"{target}.mlp.2")


def tokens(folder):
    """The tokens of text as bytes: each character of the vocabulary stands for a byte."""
    plain = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in plain]
    byte_of = {chr(byte): byte for byte in plain} | {chr(256 + at): byte for at, byte in enumerate(others)}
    lines = (folder / "vocabulary.txt").read_text("utf-8").split("\n")
    return [bytes(byte_of[character] for character in line) for line in lines[:lines.index("<|endoftext|>")]]


def header(out, model, layers):
    vocabulary, width = model.values["decoder/embeddings/weight"].shape
    bands = model.values["encoder/conv1/weight"].shape[1]
    sizes = [vocabulary]
    for side in layers:
        sizes += [model.values[f"{side}/position_encodings/encodings"].shape[0], width,
                  int(model.values[f"{side}/num_heads"]), layers[side]]
    out.write(struct.pack("<12i", MAGIC, *sizes, bands, Q8_0_FILE))
    filters = FeatureExtractor.get_mel_filters(SAMPLE_RATE, WINDOW, n_mels=bands).astype(numpy.float32)
    out.write(struct.pack("<2i", *filters.shape) + filters.tobytes())


def convert(folder, path):
    """Writes the model in a folder to a file."""
    model = Reader(folder / "model.bin")
    layers = {side: sum(name.startswith(f"{side}/layer_") and name.endswith("self_attention/linear_0/weight")
                        for name in model.values) for side in ("encoder", "decoder")}
    partial = path.with_suffix(".partial")
    with partial.open("wb") as out:
        header(out, model, layers)
        words = tokens(folder)
        out.write(struct.pack("<i", len(words)))
        for word in words:
            out.write(struct.pack("<i", len(word)) + word)
        for side, last in (("encoder", "ln_post"), ("decoder", "ln")):
            tensor(out, f"{side}.positional_embedding", model.float(f"{side}/position_encodings/encodings"))
            norm(out, model, f"{side}/layer_norm", f"{side}.{last}")
            for at in range(layers[side]):
                layer(out, model, side, at)
        for name in ("conv1", "conv2"):
            tensor(out, f"encoder.{name}.weight", model.float(f"encoder/{name}/weight"))
            tensor(out, f"encoder.{name}.bias", model.float(f"encoder/{name}/bias")[:, None])
        tensor(out, "decoder.token_embedding.weight", model.float("decoder/embeddings/weight"))
    partial.rename(path)
