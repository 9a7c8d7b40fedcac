"""Parse requests for comparisons of models on a table with known results."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from gateway.call.errors import ParameterInvalid
from gateway.wire import body as bodies
from gateway.wire.evaluations import parse_max_cost

MAX_MODELS = 5
# Of forecasters: steps that are forecast, and of a season.
DEFAULT_STEPS, MAX_HORIZON, MAX_SEASON = 24, 1_000, 10_000
_Name = Annotated[str, Meta(min_length=1, max_length=200)]
_Column = Annotated[str, Meta(max_length=200)]
_Names = Annotated[dict[_Column, _Column], Meta(max_length=1000)]


class ComparisonRequest(msgspec.Struct):
    """`POST /v1/evals/comparisons` and `POST /v1/evals/comparisons/quote`.

    The first of `models` is compared with each other one on the rows of `file`, a table with the
    purpose `evals`. `target` names the column with the known result, `machine` and `time` those
    that say which rows belong together. `goal` says whether the result is a class or a number.
    Of forecasters: `horizon` is how many steps are forecast, `season` the steps of a season.

    For a ready-made model: `columns` maps its inputs to the table's columns, `outputs` names its
    output to compare, and `labels` maps its classes to the table's, each by model.
    """

    models: Annotated[list[_Name], Meta(min_length=2, max_length=MAX_MODELS)]
    file: str
    target: _Name
    machine: _Column = ""
    time: _Column = ""
    goal: Literal["class", "number"] | None = None
    horizon: Annotated[int, Meta(ge=1, le=MAX_HORIZON)] = DEFAULT_STEPS
    season: Annotated[int, Meta(ge=1, le=MAX_SEASON)] = DEFAULT_STEPS
    outputs: dict[str, _Name] = {}
    columns: dict[str, _Names] = {}
    labels: dict[str, _Names] = {}
    name: Annotated[str, Meta(max_length=200)] | None = None
    max_cost: str | None = None

    @property
    def max_cost_nano(self) -> int | None:
        """The limit of the cost in nano-units, None for none. Raises ParameterInvalid."""
        return None if self.max_cost is None else parse_max_cost(self.max_cost)


_DECODER = msgspec.json.Decoder(ComparisonRequest)


def parse_comparison_request(body: bytes) -> ComparisonRequest:
    """Parse and validate the body of a comparison.

    Raises BodyNotJson, ParameterInvalid naming the field.
    """
    return validate_comparison_request(bodies.decode_body_strict(_DECODER, body))


def validate_comparison_request(request: ComparisonRequest) -> ComparisonRequest:
    """Return the request if its fields fit together. Raises ParameterInvalid."""
    if len(set(request.models)) < len(request.models):
        raise ParameterInvalid("`models` names a model twice.", param="models")
    options: Mapping[str, Mapping[str, object]] = {
        "outputs": request.outputs,
        "columns": request.columns,
        "labels": request.labels,
    }
    for field, by_model in options.items():
        for model in by_model.keys() - set(request.models):
            raise ParameterInvalid(
                f"`{field}` names {model[:200]!r}, which is not in `models`.", param=field
            )
    if "\x00" in msgspec.json.encode(request).decode().replace("\\u0000", "\x00"):
        raise ParameterInvalid("A name contains a NUL character.", param="models")
    if request.max_cost is not None:
        parse_max_cost(request.max_cost)
    return request


def mapping_fields(
    models: Iterable[str], columns: Iterable[str], output: str, labels: Iterable[str]
) -> dict[str, dict[str, Any]]:
    """Return the request's fields by which ready-made models are compared.

    `columns` and `labels` are texts such as `torque=Torque [Nm]`. Raises ParameterInvalid.
    """
    stated = {
        "columns": _parse_pairs(columns, "columns"),
        "outputs": output.strip(),
        "labels": _parse_pairs(labels, "labels"),
    }
    names = list(models)
    return {field: dict.fromkeys(names, value) for field, value in stated.items() if value}


def _parse_pairs(texts: Iterable[str], field: str) -> dict[str, str]:
    """Return texts of the form `name=name` as a mapping. Raises ParameterInvalid."""
    pairs: dict[str, str] = {}
    for text in filter(str.strip, texts):
        name, separator, value = text.partition("=")
        if not separator or not name.strip() or not value.strip():
            raise ParameterInvalid(f"{text[:100]!r} is not of the form name=name.", param=field)
        pairs[name.strip()] = value.strip()
    return pairs
