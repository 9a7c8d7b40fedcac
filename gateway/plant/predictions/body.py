"""The body of a prediction by asset, and the body with rows that it becomes."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from gateway.plant.assets.ids import POINT
from gateway.plant.predictions.errors import AssetInputsInvalid
from gateway.plant.predictions.values import AssetRequest, FilledInput
from gateway.wire.body import decode_body
from infra import ids

MAX_STEPS = 100_000
AssetName = Annotated[str, Meta(min_length=1, max_length=1000)]


class AssetOptions(msgspec.Struct, forbid_unknown_fields=True):
    """How an asset's inputs are found.

    `inputs` maps inputs of the model to tags, `values` to constants. `at` is the instant of the
    prediction, now if it is left out. Readings older than `max_age_s` are not used. Series have
    `steps` values of `step_s` seconds.
    """

    inputs: Annotated[dict[AssetName, AssetName], Meta(max_length=1000)] = {}
    values: Annotated[dict[AssetName, float | str | bool], Meta(max_length=1000)] = {}
    at: datetime | None = None
    max_age_s: Annotated[float, Meta(gt=0, le=31_536_000)] = 3_600.0
    steps: Annotated[int, Meta(ge=1, le=MAX_STEPS)] | None = None
    step_s: Annotated[float, Meta(ge=0.001, le=31_536_000)] | None = None

    def to_request(self, asset: str, now: datetime) -> AssetRequest:
        """Return what is asked of the asset. Raises AssetInputsInvalid for a time without zone."""
        at = self.at or now
        if at.tzinfo is None:
            message = "`at` needs a time zone, such as 2026-01-31T08:00:00Z."
            raise AssetInputsInvalid(message, param="asset_options.at")
        return AssetRequest(
            asset=asset,
            at=at.astimezone(UTC),
            inputs=self.inputs,
            values=self.values,
            max_age_s=self.max_age_s,
            steps=self.steps,
            step_s=self.step_s,
        )


class AssetPredictionRequest(msgspec.Struct):
    """`POST /v1/predictions` with an asset, by its id or code, instead of rows."""

    model: str
    asset: AssetName | UnsetType = UNSET
    asset_options: AssetOptions = msgspec.field(default_factory=AssetOptions)
    instances: Any | UnsetType = UNSET
    parameters: dict[str, Any] = {}
    task: str = ""


_DECODER = msgspec.json.Decoder(AssetPredictionRequest)


def parse_asset_request(body: bytes) -> AssetPredictionRequest | None:
    """Parse a body; None if it has no field `asset`.

    Raises BodyNotJson, ParameterInvalid, AssetInputsInvalid.
    """
    request = decode_body(_DECODER, body)
    if request.asset is UNSET:
        return None
    if request.instances is not UNSET:
        message = "Send either `asset` or `instances`."
        raise AssetInputsInvalid(message, param="asset")
    return request


def body_with_row(
    request: AssetPredictionRequest, model: str, inputs: Sequence[FilledInput]
) -> bytes:
    """Return the body of `/v1/predictions` with one row and the units of its points."""
    used = [one for one in inputs if one.value is not None]
    units = {
        one.chosen.field: one.chosen.point.unit
        for one in used
        if one.chosen.point is not None and one.chosen.point.unit
    }
    return msgspec.json.encode(
        {
            "model": model,
            "instances": [{one.chosen.field: one.value for one in used}],
            "units": units,
            "parameters": request.parameters,
        }
    )


def input_json(one: FilledInput) -> dict[str, Any]:
    """Return what the response reports of an input: its origin, point, unit, value and age."""
    point = one.chosen.point
    value = one.value if not isinstance(one.value, list) else None
    steps = len(one.value) if isinstance(one.value, list) else None
    reported = {
        "name": one.chosen.field,
        "origin": one.chosen.origin.value,
        "point": None if point is None else ids.format_id(POINT, point.id),
        "tag": None if point is None else point.tag,
        "unit": None if point is None else point.unit,
        "value": value,
        "steps": steps,
        "readings": one.readings or None,
        "age_s": None if one.age_s is None else round(one.age_s, 3),
    }
    return {name: part for name, part in reported.items() if part is not None}
