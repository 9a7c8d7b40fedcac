"""Inputs: all that a measured effect of one month is computed from, as one text.

Terms, the baseline that was agreed with them, the whole days of the month in which that version was
in force, and the readings that came in time, as they were said. Pure.
"""

from dataclasses import dataclass
from datetime import date

import msgspec

from billing.outcomes.evidence.series import Told
from billing.outcomes.settlement.bundle import BundleInvalid


@dataclass(frozen=True, slots=True)
class Inputs:
    """Days from `first` until the day before `until`, as the plant has them."""

    terms: str
    baseline: str | None
    first: date
    until: date
    readings: tuple[Told, ...]

    def text(self) -> str:
        """The canonical JSON: sorted keys, no spaces."""
        return msgspec.json.encode(self, order="sorted").decode()


def read_inputs(text: str) -> Inputs:
    """The reverse of `Inputs.text`. Raises BundleInvalid."""
    try:
        return msgspec.json.decode(text, type=Inputs)
    except msgspec.MsgspecError:
        raise BundleInvalid("The inputs of its measurement cannot be read.") from None
