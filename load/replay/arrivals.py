"""Arrivals: when a call came, how long its prompt was and how long its answer.

Owns the value that traces are read into, and the order of several.
"""

from collections.abc import Iterable
from dataclasses import dataclass


class TraceMissing(Exception):
    """There is no trace at that place, or none of a format that is known."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One call: seconds from the trace's beginning, and its tokens."""

    at_s: float
    input_tokens: int
    output_tokens: int


def from_zero(arrivals: Iterable[Arrival]) -> list[Arrival]:
    """In order, the first one at 0. Raises TraceMissing where there is none."""
    ordered = sorted(arrivals, key=lambda one: one.at_s)
    if not ordered:
        raise TraceMissing("The trace holds no call.")
    first = ordered[0].at_s
    return [Arrival(one.at_s - first, one.input_tokens, one.output_tokens) for one in ordered]
