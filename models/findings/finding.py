"""The finding of one row: what a specialist's outputs say about it."""

from dataclasses import dataclass
from enum import StrEnum

Value = float | str | tuple[float, ...]
"""A number, a text, or a series of numbers."""


class Verdict(StrEnum):
    """What a finding comes to."""

    YES = "yes"
    NO = "no"
    LABEL = "label"  # one of several classes, which is the first figure
    VALUE = "value"  # figures without a decision
    UNCERTAIN = "uncertain"  # outside the trained range, or no answer for these inputs


@dataclass(frozen=True, slots=True)
class Stated:
    """One figure: an output's value in its unit, with its interval if it has one."""

    name: str
    value: Value
    unit: str | None = None
    lower: float | None = None
    upper: float | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """What a specialist says about one row.

    `figures` begin with the main one. `decided` is the verdict without regard to the trained range.
    `outside` names the inputs beyond the trained range, each with the range as text (empty if only
    the model knows it). `asked` names the figures that the question asks for, none if it does not
    say.
    """

    verdict: Verdict
    decided: Verdict
    figures: tuple[Stated, ...]
    probability: float | None = None
    reasons: tuple[str, ...] = ()
    outside: tuple[tuple[str, str], ...] = ()
    asked: frozenset[str] = frozenset()

    @property
    def main(self) -> Stated | None:
        """Return the main figure, None if the specialist gave none."""
        return self.figures[0] if self.figures else None
