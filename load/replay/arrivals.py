"""Arrivals: the time and the token counts of each call of a trace."""

from collections.abc import Iterable
from dataclasses import dataclass


class TraceMissing(Exception):
    """The trace does not exist, is empty, or has an unknown format."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One call: its time in seconds since the start of the trace, and its token counts."""

    at_s: float
    input_tokens: int
    output_tokens: int


def shift_to_zero(arrivals: Iterable[Arrival]) -> list[Arrival]:
    """Return the arrivals in order of time, the first one at 0. Raises TraceMissing if there are
    none."""
    ordered = sorted(arrivals, key=lambda one: one.at_s)
    if not ordered:
        raise TraceMissing("The trace holds no call.")
    first = ordered[0].at_s
    return [Arrival(one.at_s - first, one.input_tokens, one.output_tokens) for one in ordered]
