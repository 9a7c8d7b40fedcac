"""A small file in the layout of the packaged encoder, with random weights."""

import struct
from pathlib import Path

import numpy as np

from models.line_reader.encoder_file import EncoderFile, Floats, pack_blocks, read_encoder

HIDDEN, LAYERS, HEADS, INNER, POSITIONS = 32, 3, 4, 64, 80
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]
PIECES = [*SPECIAL, "▁", *"abcdefghijklmnopqrstuvwxyz0123456789:.?泵阀油"]
_PACKED, _PLAIN = 2, 0


def write_encoder(target: Path, seed: int = 0) -> EncoderFile:
    """Write the file and read it as the product does."""
    rng = np.random.default_rng(seed)
    target.write_bytes(_header() + _tokenizer() + struct.pack("<iI", 0, 0) + b"")
    with target.open("ab") as file:
        file.write(_tensors(rng, len(target.read_bytes())))
    return read_encoder(target)


def _header() -> bytes:
    sizes = struct.pack("<7if", HIDDEN, LAYERS, HEADS, INNER, len(PIECES), POSITIONS, 1, 1e-12)
    return b"E5S1" + struct.pack("<i", 1) + sizes + struct.pack("<i", 32)


def _tokenizer() -> bytes:
    encoded = [piece.encode() for piece in PIECES]
    bounds = np.cumsum([0, *map(len, encoded)]).astype(np.uint32)
    scores = np.full(len(PIECES), -2.0, np.float32)
    blob = b"".join(encoded)
    return (
        struct.pack("<5iQ", len(PIECES), 0, 2, 1, 3, len(blob))
        + bounds.tobytes()
        + scores.tobytes()
        + blob
    )


def _tensors(rng: np.random.Generator, start: int) -> bytes:
    """Return the directory and the weights, which begin after it."""
    named = dict(_named(rng))
    size = 4 + sum(2 + len(name) + struct.calcsize("<BIQQ") for name in named)
    directory, content = struct.pack("<i", len(named)), b""
    for name, (kind, count, raw) in named.items():
        offset = start + size + len(content)
        directory += struct.pack("<H", len(name)) + name.encode()
        directory += struct.pack("<BIQQ", kind, count, offset, len(raw))
        content += raw
    return directory + content


def _named(rng: np.random.Generator) -> list[tuple[str, tuple[int, int, bytes]]]:
    def packed(rows: int, columns: int) -> tuple[int, int, bytes]:
        weights = rng.normal(0, 0.2, (rows, columns)).astype(np.float32)
        return _PACKED, rows * columns, pack_blocks(weights).tobytes()

    def plain(values: Floats) -> tuple[int, int, bytes]:
        return _PLAIN, values.size, values.astype(np.float32).tobytes()

    ones, zeros = np.ones(HIDDEN, np.float32), np.zeros(HIDDEN, np.float32)
    tensors = [
        ("emb.word", packed(len(PIECES), HIDDEN)),
        ("emb.pos", plain(rng.normal(0, 0.1, POSITIONS * HIDDEN).astype(np.float32))),
        ("emb.type", plain(zeros)),
        ("emb.ln.w", plain(ones)),
        ("emb.ln.b", plain(zeros)),
    ]
    for index in range(LAYERS):
        for name, rows, columns in (
            *((name, HIDDEN, HIDDEN) for name in ("q", "k", "v", "ao")),
            ("fi", INNER, HIDDEN),
            ("fo", HIDDEN, INNER),
        ):
            tensors.append((f"l{index}.{name}.w", packed(rows, columns)))
            tensors.append((f"l{index}.{name}.b", plain(np.zeros(rows, np.float32))))
        for name in ("aln", "oln"):
            tensors += [(f"l{index}.{name}.w", plain(ones)), (f"l{index}.{name}.b", plain(zeros))]
    return tensors
