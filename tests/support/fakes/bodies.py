"""Parts of the fake model server's answers: vectors, and fields that only engines have."""

import math
import re
import zlib
from typing import Any

_DIMENSIONS = 256
_WORDS = re.compile(r"[\u4e00-\u9fff]|\w+")


def vector_of(text: str) -> list[float]:
    """A unit vector with one dimension per word and Chinese character."""
    vector = [0.0] * _DIMENSIONS
    for word in _WORDS.findall(text.removeprefix("query: ").removeprefix("passage: ").lower()):
        vector[zlib.crc32(word.encode()) % _DIMENSIONS] += 1.0
    length = math.sqrt(sum(value * value for value in vector)) or 1.0
    return [value / length for value in vector] if any(vector) else [1.0, *vector[1:]]


def leaking(answer: dict[str, Any], internals: dict[str, Any]) -> dict[str, Any]:
    """A response or chunk with engine-specific fields at every level."""
    if not internals:
        return answer
    choices = [dict(choice) for choice in answer["choices"]]
    for choice in choices:
        for part in choice.keys() & {"message", "delta"}:
            choice[part] = {**internals, **choice[part]}
    return {**internals, **answer, "choices": [{**internals, **choice} for choice in choices]}
