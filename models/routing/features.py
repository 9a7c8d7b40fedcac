"""Extract hashed text features for the routing classifier.

The same text gives the same buckets on every machine.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

BUCKETS = 1 << 14
# Characters used at start and end of a text: instructions precede or follow pasted data.
HEAD, TAIL = 1500, 500
NGRAM_LENGTH = 4

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_LETTERS = re.compile(r"[^\W\d_一-鿿]+")
_CHINESE = re.compile(r"[一-鿿]+")
# `AHU1_SAT`, `RM204.T-SP`, `ZoneTempSp`: names of points, not words.
_TAG = re.compile(
    r"[A-Za-z一-鿿]\w*(?:[._\-/]\w+)*[._\-/]\w+|[A-Z][a-z]+(?:[A-Z][a-z]*)+|[A-Z]{2,}\d+"
)
_MAX_TAGS = 2
# The number of numbers in a text is a feature in steps: 0, 1 to 2, 3 to 5, more.
_NUMBER_COUNT_STEPS = (1, 3, 6)


def features(text: str) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the buckets and weights of a text, both [n]; the weights have unit length."""
    buckets: Counter[int] = Counter()
    for feature, count in Counter(_extract_features(_truncate_middle(text))).items():
        buckets[crc32(feature.encode()) % BUCKETS] += count
    weights = 1 + np.log(np.fromiter(buckets.values(), np.float32, len(buckets)))
    return np.fromiter(buckets, np.int64, len(buckets)), weights / np.linalg.norm(weights)


def _truncate_middle(text: str) -> str:
    """Drop the middle of a long text."""
    return text if len(text) <= HEAD + TAIL else f"{text[:HEAD]} {text[-TAIL:]}"


def _extract_features(text: str) -> Iterator[str]:
    """Yield a text's features: counts of numbers and tags, words and character n-grams."""
    text = unicodedata.normalize("NFKC", text)
    numbers = len(_NUMBER.findall(text))
    yield f"#numbers {sum(numbers >= step for step in _NUMBER_COUNT_STEPS)}"
    yield f"#tags {min(len(_TAG.findall(text)), _MAX_TAGS)}"
    if "{" in text:
        yield "#json"
    text = text.lower()
    for word in _LETTERS.findall(text):
        yield f"w {word}"
        yield from _ngrams(f"^{word}$", NGRAM_LENGTH)
    for run in _CHINESE.findall(text):
        yield from run
        yield from _ngrams(run, 2)


def _ngrams(text: str, size: int) -> Iterator[str]:
    """Return the substrings of length `size`."""
    return (text[start : start + size] for start in range(len(text) - size + 1))
