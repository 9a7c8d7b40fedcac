"""All inputs of a measurement as one value with a canonical JSON form and its SHA-256.

The text is sufficient to repeat the measurement with an identical result. Its keys are the field
names of the dataclasses: they must not change.
"""

import hashlib
from dataclasses import dataclass

import msgspec

from billing.outcomes.measurement.errors import ReadingsInvalid
from billing.outcomes.measurement.plan import MeasurementPlan
from billing.outcomes.measurement.readings import MeterReading
from billing.outcomes.measurement.stored_baseline import StoredBaseline


@dataclass(frozen=True, slots=True)
class MeasurementStudy:
    """The inputs of a measurement: plan, readings in any order, and the stored baseline.

    Without a stored baseline (`kept`), the baseline is fitted to the readings.
    """

    agreed: MeasurementPlan
    readings: tuple[MeterReading, ...]
    kept: StoredBaseline | None = None

    def canonical_json(self) -> bytes:
        """Return the canonical JSON: sorted keys, no spaces, readings sorted by time, then text."""
        readings = [msgspec.Raw(encoded) for encoded in self._sorted_readings()]
        payload = {"agreed": self.agreed, "kept": self.kept, "readings": readings}
        return msgspec.json.encode(payload, order="sorted")

    def _sorted_readings(self) -> list[bytes]:
        """Return the JSON of each reading, sorted by time, then text."""
        encoded = [(one.at, msgspec.json.encode(one, order="sorted")) for one in self.readings]
        return [text for _, text in sorted(encoded)]

    def digest(self) -> str:
        """Return the SHA-256 of the canonical JSON, in hexadecimal."""
        return hashlib.sha256(self.canonical_json()).hexdigest()


def parse_study(text: bytes) -> MeasurementStudy:
    """Parse the canonical JSON of a study. Raises ReadingsInvalid or MeasurementPlanInvalid."""
    try:
        return msgspec.json.decode(text, type=MeasurementStudy)
    except msgspec.DecodeError as error:
        raise ReadingsInvalid(f"The study is not valid: {error}.") from None
