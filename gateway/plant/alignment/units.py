"""Propose the unit of a point that has none.

Evidence: a unit in the tag, the range of values, and the units of the account's confirmed points
with the same concept.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.plant.alignment.evidence import likeliest, scaled
from gateway.plant.assets.units import canonical_unit

# As sure as so many confirmed points: a unit that the tag states, or that only the range suggests.
_WEIGHTS: Mapping[str, float] = {"name": 19.0, "range": 4.0}
_MIN_PROBABILITY = 0.5


@dataclass(frozen=True, slots=True)
class UnitProposal:
    """A unit in its canonical spelling, with a probability from 0 to 1."""

    unit: str
    probability: float


def propose_unit(unit: str | None, basis: str | None, peers: Counter[str]) -> UnitProposal | None:
    """Return the likeliest unit of a point, None if none is likelier than not.

    unit, basis: the model's unit and what it rests on, `name` or `range`. peers: units of confirmed
    points with the concept.
    """
    weights: defaultdict[str, float] = defaultdict(float)
    stated = canonical_unit(unit or "")
    if stated:
        weights[stated] += _WEIGHTS.get(basis or "", 0.0)
    for peer, weight in scaled(peers).items():
        weights[peer] += weight
    found = likeliest(weights)
    if found is None or found[1] < _MIN_PROBABILITY:
        return None
    return UnitProposal(*found)
