"""The evidence of a measurement: all that it follows from, as one value and one JSON text.

Who holds the text can measure again and gets the same, and its SHA-256 says which text it was.
Pure.
"""

import hashlib
from dataclasses import dataclass

import msgspec

from billing.outcomes.measurement.agreed import Agreed
from billing.outcomes.measurement.faults import ReadingsInvalid
from billing.outcomes.measurement.kept import Kept
from billing.outcomes.measurement.readings import Reading


@dataclass(frozen=True, slots=True)
class Study:
    """What was agreed, all readings in whatever order, and the baseline where one was fitted
    before; else it is fitted to the readings."""

    agreed: Agreed
    readings: tuple[Reading, ...]
    kept: Kept | None = None

    def text(self) -> bytes:
        """The canonical JSON: sorted keys, no spaces, readings by time and then by their text."""
        told = [msgspec.Raw(one) for one in self._told()]
        raw = {"agreed": self.agreed, "kept": self.kept, "readings": told}
        return msgspec.json.encode(raw, order="sorted")

    def _told(self) -> list[bytes]:
        told = [(one.at, msgspec.json.encode(one, order="sorted")) for one in self.readings]
        return [text for _, text in sorted(told)]

    def digest(self) -> str:
        """The text's SHA-256, in hexadecimals."""
        return hashlib.sha256(self.text()).hexdigest()


def read_study(text: bytes) -> Study:
    """The reverse of `Study.text`. Raises ReadingsInvalid or MeasureInvalid."""
    try:
        return msgspec.json.decode(text, type=Study)
    except msgspec.DecodeError as error:
        raise ReadingsInvalid(f"The study cannot be read: {error}.") from None
