"""Choose the number of epochs for a customer's training file and estimate the training time.

Imports no training libraries: the price is quoted before a training starts.
"""

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from models.industrial_llm.dialogues import Dialogue, DialogueSplit
from models.industrial_llm.recipes import RECIPES

MAX_EPOCHS = 6
# Each message adds tokens for its role and its end.
_BYTES_PER_TOKEN, _TOKENS_PER_MESSAGE = 3, 3
# Forward passes over the held-out dialogues, and their cost relative to training.
_EVALUATION_PASSES, _EVALUATION_COST = 8, 0.3
# By profile, measured on two idle CPU cores; the GPU profile was not measured.
_TOKENS_PER_SECOND: Mapping[str, float] = MappingProxyType(
    {"cpu": 40.0, "cpu-small": 110.0, "cpu-tiny": 400.0}
)
_STARTUP_S = 8.0


def epoch_count(dialogue_count: int, target_passes: int) -> int:
    """Return the number of epochs for so many training dialogues: more for a small file.

    `target_passes` is the number of examples over all epochs (Recipe.target_passes).
    """
    return min(MAX_EPOCHS, max(1, round(target_passes / dialogue_count)))


def estimate_seconds(dialogues: DialogueSplit, profile: str) -> int | None:
    """Estimate the training time in seconds. Returns None if the profile was not measured."""
    tokens_per_second = _TOKENS_PER_SECOND.get(profile)
    if tokens_per_second is None:
        return None
    epochs = epoch_count(len(dialogues.train), RECIPES[profile].target_passes)
    trained_tokens = epochs * _estimate_tokens(dialogues.train)
    evaluated_tokens = _EVALUATION_PASSES * _EVALUATION_COST * _estimate_tokens(dialogues.held_out)
    return math.ceil(_STARTUP_S + (trained_tokens + evaluated_tokens) / tokens_per_second)


def _estimate_tokens(dialogues: Sequence[Dialogue]) -> int:
    """Estimate the tokens of dialogues from their UTF-8 bytes, without a tokenizer."""
    return sum(
        len(text.encode()) // _BYTES_PER_TOKEN + _TOKENS_PER_MESSAGE
        for dialogue in dialogues
        for _, text in dialogue.turns
    )
