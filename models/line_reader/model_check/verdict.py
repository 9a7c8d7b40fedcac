"""Decide whether a line answers from the judge's probability and a language model's two replies.

A logistic model, `weights.json`, which `python -m models.line_reader.model_check.train` fits to
replies of one language model: catalog entries with `checks_lines` name the models that it is for.
"""

import math
from pathlib import Path

import msgspec

WEIGHTS_FILE = Path(__file__).with_name("weights.json")
_MAX_LOGIT = 8.0


class CheckWeights(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Weights of the judge's log-odds and of the margins with examples and without.

    A line answers if its probability is `threshold` or more. The model is asked if the judge's
    probability is at least `asked_from` and below `asked_to`.
    """

    judge: float
    examples: float
    plain: float
    bias: float
    threshold: float
    asked_from: float
    asked_to: float

    def is_in_doubt(self, probability: float) -> bool:
        """Whether the model is to be asked about a line of this probability by the judge."""
        return self.asked_from <= probability < self.asked_to

    def probability(self, judged: float, examples: float, plain: float) -> float:
        """Return how probable it is that a line answers, from the judge's and the two margins."""
        total = self.judge * log_odds(judged) + self.examples * examples + self.plain * plain
        return 1 / (1 + math.exp(-(total + self.bias)))


def log_odds(probability: float) -> float:
    """Return the log-odds of a probability, at most 8 in either direction."""
    if probability <= 0 or probability >= 1:
        return _MAX_LOGIT if probability >= 1 else -_MAX_LOGIT
    return max(-_MAX_LOGIT, min(_MAX_LOGIT, math.log(probability / (1 - probability))))


def load_check(source: Path = WEIGHTS_FILE) -> CheckWeights:
    """Load the weights. Raises OSError and msgspec.ValidationError."""
    return msgspec.json.decode(source.read_bytes(), type=CheckWeights)
