"""How often a customer's file is gone over, and about how long learning from it takes.

Pure, and without what learning itself needs: the price is told before anything is begun.
"""

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from models.industrial_llm.dialogues import Dialogue, Divided

# So many examples are learned from in all, those of a small file several times.
PASSES, MOST_ROUNDS = 1_600, 6
# Each message brings its role and its end.
_BYTES_A_TOKEN, _TOKENS_A_MESSAGE = 3, 3
# Read without learning: before and after, and now and then between.
_JUDGED, _JUDGED_SHARE = 8, 0.3
# Measured on two cores that do nothing else; of the other profile nobody knows yet.
_TOKENS_A_SECOND: Mapping[str, float] = MappingProxyType({"cpu": 400.0})
_START_S = 8.0


def rounds_of(learned: int) -> int:
    """How often so many examples are gone over."""
    return min(MOST_ROUNDS, max(1, round(PASSES / learned)))


def likely_seconds(given: Divided, profile: str) -> int | None:
    """Of learning from this; None where nobody has measured."""
    rate = _TOKENS_A_SECOND.get(profile)
    if rate is None:
        return None
    learned = rounds_of(len(given.learned)) * _tokens(given.learned)
    judged = _JUDGED * _JUDGED_SHARE * _tokens(given.apart)
    return math.ceil(_START_S + (learned + judged) / rate)


def _tokens(dialogues: Sequence[Dialogue]) -> int:
    return sum(
        len(text.encode()) // _BYTES_A_TOKEN + _TOKENS_A_MESSAGE
        for one in dialogues
        for _, text in one.turns
    )
