"""Vectors of texts that share words, which are near each other."""

import math
import re
import zlib

_DIMENSIONS = 256
_WORDS = re.compile(r"[\u4e00-\u9fff]|\w+")


def vector_of(text: str) -> list[float]:
    """A unit vector with one dimension per word and Chinese character."""
    vector = [0.0] * _DIMENSIONS
    for word in _WORDS.findall(text.removeprefix("query: ").removeprefix("passage: ").lower()):
        vector[zlib.crc32(word.encode()) % _DIMENSIONS] += 1.0
    length = math.sqrt(sum(value * value for value in vector)) or 1.0
    return [value / length for value in vector] if any(vector) else [1.0, *vector[1:]]
