"""`/v1/decisions` about an asset: its readings become a JSON object that the specialist takes."""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from gateway.plant.predictions.body import AssetName, AssetOptions
from gateway.plant.predictions.errors import AssetInputsInvalid
from gateway.wire.body import decode_body
from models.arguments import Reading
from models.catalog import AUTO


class AssetDecisionRequest(msgspec.Struct):
    """The fields of `POST /v1/decisions` that say which asset, and which specialist is asked."""

    model: str
    asset: AssetName | UnsetType = UNSET
    asset_options: AssetOptions = msgspec.field(default_factory=AssetOptions)
    questions: list[Any] = []


_DECODER = msgspec.json.Decoder(AssetDecisionRequest)
_OBJECT = msgspec.json.Decoder(dict[str, Any])


def parse_asset_decision(body: bytes) -> AssetDecisionRequest | None:
    """Parse a body; None if it has no field `asset`. Raises BodyNotJson, ParameterInvalid."""
    request = decode_body(_DECODER, body)
    return None if request.asset is UNSET else request


def asked_specialist(request: AssetDecisionRequest) -> str:
    """Return the specialist that is asked about the asset: that of questions, else `model`.

    Raises AssetInputsInvalid if there are several, or none is named.
    """
    named = {name for one in request.questions if (name := _specialist_of(one)) is not None}
    if not named and request.model != AUTO:
        named = {request.model}
    if len(named) != 1:
        message = (
            "A decision about an asset needs one specialist: name it as `model`, or as "
            "`specialist` of the questions."
        )
        raise AssetInputsInvalid(message, param="model")
    return named.pop()


def body_with_readings(body: bytes, readings: Mapping[str, Reading]) -> bytes:
    """Return the body without the asset, and with the readings as the last JSON object.

    Values are in the model's units.
    """
    fields = _OBJECT.decode(body)
    for name in ("asset", "asset_options"):
        fields.pop(name, None)
    row = {
        name: list(one.value) if isinstance(one.value, tuple) else one.value
        for name, one in readings.items()
    }
    part = {"type": "input_json", "data": row}
    given = fields.get("input") or []
    if isinstance(given, str):
        given = [{"role": "user", "content": [{"type": "input_text", "text": given}]}]
    if isinstance(given, list):
        fields["input"] = _joined([*given, {"role": "user", "content": [part]}])
    return msgspec.json.encode(fields)


def predictions_of(answer: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the predictions of specialists in the answers of a decision."""
    answers = answer.get("answers")
    if not isinstance(answers, list):
        return []
    return [one["prediction"] for one in answers if isinstance(one.get("prediction"), dict)]


def _joined(items: list[Any]) -> list[Any]:
    """Return a single message of the user and the readings as one, so that it has no headings."""
    if len(items) != 2 or not isinstance(items[0], dict) or items[0].get("role") != "user":
        return items
    first = items[0].get("content")
    parts = [{"type": "input_text", "text": first}] if isinstance(first, str) else first
    if not isinstance(parts, list):
        return items
    return [{**items[0], "content": [*parts, *items[1]["content"]]}]


def _specialist_of(question: Any) -> str | None:
    """Return the specialist that a question names, None without one."""
    specialist = question.get("specialist") if isinstance(question, dict) else None
    model = specialist.get("model") if isinstance(specialist, dict) else None
    return model if isinstance(model, str) else None
