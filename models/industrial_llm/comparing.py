"""Compare two model versions by their answers to the same held-out examples.

A new version wins if it is better in significantly more examples (one-sided sign test) and worse in
no task (docs/decisions/0024).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import comb
from types import MappingProxyType

from models.industrial_llm.examples import CHINESE, detect_language
from models.industrial_llm.scoring import SCORES, AnsweredExample, word_edit_distance
from models.industrial_llm.splitting import normalize_text

# Of the one-sided sign test.
SIGNIFICANCE_LEVEL = 0.05
# How far a task's mean score may fall; at least by one example.
MAX_TASK_LOSS = 0.02
# The figure that decides about an example; in two tasks each example has one of two.
_DECISIVE_FIGURES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "failure_mode": ("accuracy",),
        "plain_text": ("token_error_reduction",),
        "extraction": ("entity_f1",),
        "fault_system": ("accuracy",),
        "terms": ("accuracy",),
        "severity": ("accuracy",),
        "tool_choice": ("with_arguments",),
        "unknown": ("admitted", "answered"),
        "passages": ("marked", "admitted"),
        "grounded": ("marked", "admitted"),
    }
)


@dataclass(frozen=True, slots=True)
class TaskComparison:
    """The mean scores of two versions in one task, with the numbers of better and worse answers."""

    examples: int
    before: float
    after: float
    better: int
    worse: int

    @property
    def is_worse(self) -> bool:
        """Whether the second version's mean score is lower by more than the tolerance."""
        return self.before - self.after > max(MAX_TASK_LOSS, 1 / self.examples) + 1e-9


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a new version beats the current one, with the reason.

    `chance` is the p-value of the sign test: the probability of as many better answers if both
    versions are equal.
    """

    beats: bool
    why: str
    better: int
    worse: int
    chance: float


def answer_score(answered: AnsweredExample) -> float:
    """Return an answer's score from 0 to 1. Raises KeyError for an unknown task."""
    figures = SCORES[answered.example.task]([answered])
    return min(1.0, max(0.0, *(figures[name] for name in _DECISIVE_FIGURES[answered.example.task])))


def text_similarity(answer: str, expected: str) -> float:
    """Return the similarity of two free texts, 0 to 1.

    It is the share of words, or of Chinese characters, that need no edit.
    """
    answer_words, expected_words = _split_words(answer), _split_words(expected)
    word_count = max(len(answer_words.split()), len(expected_words.split()))
    return (
        1.0 - word_edit_distance(answer_words, expected_words) / word_count if word_count else 1.0
    )


def compare_scores(before: Sequence[float], after: Sequence[float]) -> TaskComparison:
    """Compare two versions' scores on the same examples in the same order.

    Raises ValueError for no examples.
    """
    pairs = list(zip(before, after, strict=True))
    if not pairs:
        raise ValueError("there are no examples to compare")
    return TaskComparison(
        examples=len(pairs),
        before=round(sum(before) / len(pairs), 4),
        after=round(sum(after) / len(pairs), 4),
        better=sum(new > old for old, new in pairs),
        worse=sum(new < old for old, new in pairs),
    )


def decide_verdict(tasks: Mapping[str, TaskComparison]) -> Verdict:
    """Decide over all tasks together whether the new version beats the current one."""
    better = sum(comparison.better for comparison in tasks.values())
    worse = sum(comparison.worse for comparison in tasks.values())
    p_value = sign_test_p_value(better, worse)
    worse_tasks = sorted(name for name, comparison in tasks.items() if comparison.is_worse)
    if worse_tasks:
        reason = f"it falls behind in {', '.join(worse_tasks)}"
    elif p_value > SIGNIFICANCE_LEVEL:
        reason = f"{better} examples better and {worse} worse may be chance"
    else:
        reason = f"{better} examples better and {worse} worse, and behind in no task"
    return Verdict(
        not worse_tasks and p_value <= SIGNIFICANCE_LEVEL, reason, better, worse, round(p_value, 6)
    )


def sign_test_p_value(better: int, worse: int) -> float:
    """Return the p-value of the one-sided sign test.

    With binary scores this is the exact one-sided McNemar test.
    """
    total = better + worse
    return sum(comb(total, count) for count in range(better, total + 1)) / (1 << total)


def _split_words(text: str) -> str:
    """Normalize a text and separate its words, or its Chinese characters, by spaces."""
    words = (
        normalize_text(text)
        if detect_language(text) != CHINESE
        else " ".join(normalize_text(text).replace(" ", ""))
    )
    # Normalization removes digits: keep them if the answer has only numbers.
    return words if any(letter.isalpha() for letter in words) else " ".join(text.split())
