"""Whether one version beats another, by their answers to the same held-out examples.

Owns what an answer is worth beside another one, and the rule (docs/decisions/0024): better in more
examples than chance explains, and behind in no task. Pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import comb
from types import MappingProxyType

from models.industrial_llm.examples import CHINESE, language_of
from models.industrial_llm.scoring import SCORES, Answered, distance
from models.industrial_llm.splitting import plain

# That as many examples come out better by chance alone, one side.
CHANCE = 0.05
# How far a task's mean may fall; one example's worth where the task has few.
TOLERANCE = 0.02
# Of an example's figures the one that says whether it is right; of two tasks each example has one.
_FIGURES: Mapping[str, tuple[str, ...]] = MappingProxyType(
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
    }
)


@dataclass(frozen=True, slots=True)
class Compared:
    """One task: the mean worth of either version's answers, and in how many examples the second
    one's was better or worse."""

    examples: int
    before: float
    after: float
    better: int
    worse: int

    @property
    def behind(self) -> bool:
        return self.before - self.after > max(TOLERANCE, 1 / self.examples) + 1e-9


@dataclass(frozen=True, slots=True)
class Verdict:
    """`chance` is how likely as many examples come out better where neither version is."""

    beats: bool
    why: str
    better: int
    worse: int
    chance: float


def worth(answered: Answered) -> float:
    """Of an answer to a task's example, from 0 to 1. Raises KeyError for an unknown task."""
    figures = SCORES[answered.example.task]([answered])
    return min(1.0, max(0.0, *(figures[name] for name in _FIGURES[answered.example.task])))


def likeness(answer: str, wanted: str) -> float:
    """Of two free texts, from 0 to 1: the share of words, or Chinese letters, that need no
    change."""
    said, right = _words(answer), _words(wanted)
    longest = max(len(said.split()), len(right.split()))
    return 1.0 - distance(said, right) / longest if longest else 1.0


def compared(before: Sequence[float], after: Sequence[float]) -> Compared:
    """Two versions' answers to the same examples, in one order. Raises ValueError for none."""
    pairs = list(zip(before, after, strict=True))
    if not pairs:
        raise ValueError("there is nothing to compare")
    return Compared(
        examples=len(pairs),
        before=round(sum(before) / len(pairs), 4),
        after=round(sum(after) / len(pairs), 4),
        better=sum(new > old for old, new in pairs),
        worse=sum(new < old for old, new in pairs),
    )


def verdict(tasks: Mapping[str, Compared]) -> Verdict:
    """Over all tasks together."""
    better = sum(one.better for one in tasks.values())
    worse = sum(one.worse for one in tasks.values())
    chance = by_chance(better, worse)
    behind = sorted(name for name, one in tasks.items() if one.behind)
    if behind:
        why = f"it falls behind in {', '.join(behind)}"
    elif chance > CHANCE:
        why = f"{better} examples better and {worse} worse may be chance"
    else:
        why = f"{better} examples better and {worse} worse, and behind in no task"
    return Verdict(not behind and chance <= CHANCE, why, better, worse, round(chance, 6))


def by_chance(better: int, worse: int) -> float:
    """The sign test, one side: how likely at least as many of these come out better where each is
    as likely as the other. Of right and wrong alone it is McNemar's, exactly."""
    total = better + worse
    return sum(comb(total, count) for count in range(better, total + 1)) / (1 << total)


def _words(text: str) -> str:
    said = plain(text) if language_of(text) != CHINESE else " ".join(plain(text).replace(" ", ""))
    # Where numbers are all that an answer says, they count.
    return said if any(letter.isalpha() for letter in said) else " ".join(text.split())
