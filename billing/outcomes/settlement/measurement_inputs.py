"""The inputs of a month's measurement as canonical JSON.

Terms, agreed baseline, the full days of the month on which the version was in force, and the
readings received in time. The field names are keys of hashed JSON: they must not change.
"""

from dataclasses import dataclass
from datetime import date

import msgspec

from billing.outcomes.evidence.series import ReadingsEvidence
from billing.outcomes.settlement.bundle import BundleInvalid


@dataclass(frozen=True, slots=True)
class MeasurementInputs:
    """The inputs of a measurement: local days from `first` up to, but not including, `until`."""

    terms: str
    baseline: str | None
    first: date
    until: date
    readings: tuple[ReadingsEvidence, ...]

    def canonical_json(self) -> str:
        """Return the canonical JSON: sorted keys, no spaces."""
        return msgspec.json.encode(self, order="sorted").decode()


def parse_measurement_inputs(text: str) -> MeasurementInputs:
    """Parse the canonical JSON of measurement inputs. Raises BundleInvalid."""
    try:
        return msgspec.json.decode(text, type=MeasurementInputs)
    except msgspec.MsgspecError:
        raise BundleInvalid("The inputs of the settlement's measurement are not valid.") from None
