"""Values of predictions by asset."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from gateway.plant.readings.values import Times


class InputOrigin(StrEnum):
    """How a model's input was found."""

    STATED = "stated"
    MAPPED = "mapped"
    NAME = "name"
    CONCEPT = "concept"
    CONSTANT = "constant"
    OMITTED = "omitted"


@dataclass(frozen=True)
class CandidatePoint:
    """A point of the asset or of a part of it. `bounds` are plausible values in `unit`.

    `concept_id` is the whole id of a confirmed concept, `concept` its words.
    """

    id: UUID
    tag: str
    name: str
    unit: str
    is_text: bool
    concept: str = ""
    bounds: tuple[float, float] | None = None
    concept_id: str = ""


@dataclass(frozen=True)
class MappedInput:
    """What the account maps an input of a model to: a concept, or a tag."""

    concept_id: str = ""
    tag: str = ""


@dataclass(frozen=True)
class AssetRequest:
    """What a client asks: inputs of an asset at an instant.

    `inputs` maps inputs of the model to tags, `values` to constants. Readings older than
    `max_age_s` are not used. A series has `steps` values of `step_s` seconds that end at `at`;
    None are the model's fewest steps, and the sampling of the points.
    """

    asset: str
    at: datetime
    inputs: Mapping[str, str]
    values: Mapping[str, float | str | bool]
    max_age_s: float
    steps: int | None = None
    step_s: float | None = None


@dataclass(frozen=True)
class ChosenInput:
    """A model's input with its point, its constant, or neither (an optional input left out)."""

    field: str
    origin: InputOrigin
    point: CandidatePoint | None = None
    constant: float | str | bool | None = None


@dataclass(frozen=True)
class Selection:
    """The inputs of a model, and the required ones that were not found."""

    chosen: tuple[ChosenInput, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True)
class PointReadings:
    """Readings of good quality of one point in a period, in the point's unit."""

    times: Times
    values: NDArray[np.float64]


@dataclass(frozen=True)
class FilledInput:
    """An input with the value or series that the model gets, and the age of its newest reading."""

    chosen: ChosenInput
    value: float | str | bool | list[float | None] | None
    age_s: float | None = None
    readings: int = 0


class MissingReason(StrEnum):
    """Why an input has no value."""

    NO_POINT = "no_point"
    NO_READING = "no_reading"
    GAPS = "gaps"
    UNIT = "unit"
    RANGE = "range"


@dataclass(frozen=True)
class MissingInput:
    """A required input without a value; `text` says why, for the error of a call."""

    field: str
    reason: MissingReason
    text: str
    tag: str = ""

    def to_json(self) -> dict[str, str]:
        """Return the input as responses report it."""
        tag = {"tag": self.tag} if self.tag else {}
        return {"name": self.field, "reason": self.reason.value, **tag}


@dataclass(frozen=True)
class FilledInputs:
    """The inputs that have a value, and the required ones that have none."""

    inputs: tuple[FilledInput, ...]
    missing: tuple[MissingInput, ...] = ()
