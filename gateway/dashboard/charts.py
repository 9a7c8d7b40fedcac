"""Charts: what the script draws, and what is read where it does not.

A chart is JSON in an attribute, with its numbers already written in the page's language, so that
the script formats nothing; the same numbers stand in a table below it. Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from billing.money import NANO


@dataclass(frozen=True, slots=True)
class Series:
    """One colour of a chart: heights, which are for drawing alone, and their texts."""

    name: str
    heights: Sequence[float | None]
    texts: Sequence[str]
    # `bar`, `line`, or the two edges of a band, which are drawn as one.
    kind: str = "bar"


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart over places in order. `links` lead from a place to more of it; `totals` are the texts
    of all series together, where they are stacked."""

    title: str
    places: Sequence[str]
    series: Sequence[Series]
    totals: Sequence[str] = ()
    links: Sequence[str] = ()

    @property
    def json(self) -> dict[str, Any]:
        """What the script reads."""
        return {
            "places": list(self.places),
            "totals": list(self.totals),
            "links": list(self.links),
            "series": [
                {
                    "name": one.name,
                    "heights": list(one.heights),
                    "texts": list(one.texts),
                    "kind": one.kind,
                }
                for one in self.series
            ],
        }


def height(nano: int) -> float:
    """An amount as a height on the screen: nothing is ever computed from it."""
    return nano / NANO
