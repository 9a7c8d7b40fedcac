"""Words into features: what of a text the classifier looks at.

Pure; the same text gives the same buckets on every machine.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

BUCKETS = 1 << 14
# Longer texts are read at both ends: instructions stand before or after what is pasted.
HEAD, TAIL = 1500, 500
PIECE = 4

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_LETTERS = re.compile(r"[^\W\d_一-鿿]+")
_CHINESE = re.compile(r"[一-鿿]+")
# `AHU1_SAT`, `RM204.T-SP`, `ZoneTempSp`: names of points, not words.
_TAG = re.compile(
    r"[A-Za-z一-鿿]\w*(?:[._\-/]\w+)*[._\-/]\w+|[A-Z][a-z]+(?:[A-Z][a-z]*)+|[A-Z]{2,}\d+"
)
_MOST_TAGS = 2
# How many numbers a text has is told in steps: none, one or two, some, many.
_STEPS = (1, 3, 6)


def features(text: str) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Buckets and their weights, both [n], of length 1 in all; of an empty text too."""
    buckets: Counter[int] = Counter()
    for feature, count in Counter(_features(_ends(text))).items():
        buckets[crc32(feature.encode()) % BUCKETS] += count
    weights = 1 + np.log(np.fromiter(buckets.values(), np.float32, len(buckets)))
    return np.fromiter(buckets, np.int64, len(buckets)), weights / np.linalg.norm(weights)


def _ends(text: str) -> str:
    return text if len(text) <= HEAD + TAIL else f"{text[:HEAD]} {text[-TAIL:]}"


def _features(text: str) -> Iterator[str]:
    text = unicodedata.normalize("NFKC", text)
    numbers = len(_NUMBER.findall(text))
    yield f"#numbers {sum(numbers >= step for step in _STEPS)}"
    yield f"#tags {min(len(_TAG.findall(text)), _MOST_TAGS)}"
    if "{" in text:
        yield "#json"
    text = text.lower()
    for word in _LETTERS.findall(text):
        yield f"w {word}"
        yield from _pieces(f"^{word}$", PIECE)
    for run in _CHINESE.findall(text):
        yield from run
        yield from _pieces(run, 2)


def _pieces(text: str, size: int) -> Iterator[str]:
    return (text[at : at + size] for at in range(len(text) - size + 1))
