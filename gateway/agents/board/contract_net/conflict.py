"""Whether verdicts on an asset conflict, and which one counts; pure.

Two verdicts conflict if their probabilities of a failure differ by more than the team allows. A
verdict by rules alone states no probability and conflicts with none: it is what is diagnosed.
"""

from collections.abc import Sequence
from enum import StrEnum

from gateway.agents.board.contract_net.values import Verdict
from gateway.agents.definitions.board import BoardRole

_MAX_VERDICTS = 3
# Of a difference of two stated probabilities: 0.9 - 0.5 is above 0.4 in binary only.
_EPSILON = 1e-9


class Next(StrEnum):
    """What follows from the verdicts of a case."""

    PLAN = "plan"
    REVIEW = "review"
    PERSON = "person"


def conflicts(one: Verdict, other: Verdict, threshold: float) -> bool:
    """Return whether two verdicts differ by more than the threshold."""
    if one.probability is None or other.probability is None:
        return False
    return abs(one.probability - other.probability) > threshold + _EPSILON


def judge(
    verdicts: Sequence[Verdict], threshold: float, opinions: int = 1
) -> tuple[Next, int | None]:
    """Return what follows, and the index of the verdict that counts, if one does.

    Two verdicts that agree: the later one. Two that conflict: a third is asked for. Three: the
    median, if another one agrees with it; else a person decides. opinions: diagnosticians that are
    asked in any case.
    """
    stated = [index for index, one in enumerate(verdicts) if one.probability is not None]
    if not stated:
        return Next.PERSON, None
    last = stated[-1]
    if not any(conflicts(verdicts[last], verdicts[one], threshold) for one in stated[:-1]):
        asked = sum(one.role == BoardRole.DIAGNOSTICIAN for one in verdicts)
        return (Next.PLAN, last) if asked >= opinions else (Next.REVIEW, None)
    if len(stated) < _MAX_VERDICTS:
        return Next.REVIEW, None
    middle = sorted(stated, key=lambda index: verdicts[index].probability or 0.0)[len(stated) // 2]
    others = [one for one in stated if one != middle]
    if any(not conflicts(verdicts[middle], verdicts[one], threshold) for one in others):
        return Next.PLAN, middle
    return Next.PERSON, None
