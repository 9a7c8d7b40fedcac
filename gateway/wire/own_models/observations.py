"""Parse observed results of predictions."""

from collections.abc import Mapping
from math import isfinite
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from gateway.call.errors import ParameterInvalid
from gateway.wire import body as bodies

MAX_OBSERVATIONS = 1_000
# The level of intervals of which the call stated none (models/tabular/intervals.py).
DEFAULT_LEVEL = 0.9
_Text = Annotated[str, Meta(min_length=1, max_length=200)]
_Column = Annotated[str, Meta(min_length=1, max_length=200)]
_Single = float | Annotated[str, Meta(max_length=200)] | bool | None
_Series = Annotated[list[_Single], Meta(min_length=1, max_length=10_000)]
_Cell = _Single | _Series


class ObservedResult(msgspec.Struct, forbid_unknown_fields=True):
    """What was observed for one row of a call.

    `prediction` is the row's object of the response: predictions are not stored before. It may be
    left out while a shadow deployment stores the responses. `level` is that of the interval, if the
    call asked for one. `machine` says which rows belong together. `inputs` are the row's object of
    the request, in the units of training, lists for series; they are stored to train the model on
    the row.
    """

    request_id: str
    observed: float | _Text | bool
    row: Annotated[int, Meta(ge=0, lt=100_000)] = 0
    prediction: dict[str, Any] | None = None
    level: Annotated[float, Meta(gt=0, lt=1)] = DEFAULT_LEVEL
    machine: Annotated[str, Meta(max_length=200)] = ""
    inputs: Annotated[dict[_Column, _Cell], Meta(min_length=1, max_length=1000)] | None = None


class ObservationsRequest(msgspec.Struct):
    """`POST /v1/feedback/observations`: observed results of predictions of own models.

    `consent` allows storing the `inputs` of rows, which further trainings of the account's own
    model can be trained on. Rows with inputs need it.
    """

    observations: Annotated[list[ObservedResult], Meta(min_length=1, max_length=MAX_OBSERVATIONS)]
    consent: bool = False


_DECODER = msgspec.json.Decoder(ObservationsRequest)


def parse_observations(body: bytes) -> list[ObservedResult]:
    """Parse and validate observed results.

    Raises BodyNotJson, ParameterInvalid naming the field.
    """
    request = bodies.decode_body_strict(_DECODER, body)
    found = request.observations
    seen: set[tuple[str, int]] = set()
    for index, one in enumerate(found):
        path = f"observations[{index}]"
        if (one.request_id, one.row) in seen:
            raise ParameterInvalid(f"`{path}` is of the same row as an earlier one.", param=path)
        seen.add((one.request_id, one.row))
        if isinstance(one.observed, float) and not isfinite(one.observed):
            raise ParameterInvalid(f"`{path}.observed` is not finite.", param=f"{path}.observed")
        if one.inputs is not None:
            _require_storable(one.inputs, request.consent, f"{path}.inputs")
        if "\x00" in one.machine or (isinstance(one.observed, str) and "\x00" in one.observed):
            raise ParameterInvalid(f"`{path}` contains a NUL character.", param=path)
    return found


def _require_storable(inputs: Mapping[str, object], consent: bool, path: str) -> None:
    """Raise ParameterInvalid for inputs without consent, or that cannot be stored."""
    if not consent:
        raise ParameterInvalid(
            f"`{path}` is stored to train your model on it. State `consent: true`, or omit it.",
            param="consent",
        )
    for name, value in inputs.items():
        values = value if isinstance(value, list) else (value,)
        if "\x00" in name or not all(map(_is_storable, values)):
            raise ParameterInvalid(f"`{path}` has a value that cannot be stored.", param=path)


def _is_storable(value: object) -> bool:
    """Whether a value can be stored: a finite number, or a text without a NUL character."""
    if isinstance(value, float):
        return isfinite(value)
    return not isinstance(value, str) or "\x00" not in value
