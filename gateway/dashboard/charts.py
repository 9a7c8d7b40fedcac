"""The data of charts: JSON in an HTML attribute for the script, and a table as fallback.

Numbers are formatted here in the page's language, so that the script formats nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from billing.money import NANO


@dataclass(frozen=True, slots=True)
class Series:
    """A data series of a chart: float heights for drawing only, and the formatted values."""

    name: str
    heights: Sequence[float | None]
    texts: Sequence[str]
    # `bar`, `line`, or `low` and `high`: the two edges of a band, drawn as one.
    kind: str = "bar"


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart of series over categories (`places`) on the x-axis.

    `links` are URLs with more about each category; `totals` are the formatted totals of stacked
    series.
    """

    title: str
    places: Sequence[str]
    series: Sequence[Series]
    totals: Sequence[str] = ()
    links: Sequence[str] = ()

    @property
    def json(self) -> dict[str, Any]:
        """The JSON object that the chart script reads."""
        return {
            "places": list(self.places),
            "totals": list(self.totals),
            "links": list(self.links),
            "series": [
                {
                    "name": series.name,
                    "heights": list(series.heights),
                    "texts": list(series.texts),
                    "kind": series.kind,
                }
                for series in self.series
            ],
        }


def bar_height(nano: int) -> float:
    """Return an amount in nano-units as a float for drawing; never compute money with it."""
    return nano / NANO
