"""Parse OpenAI fine-tuning requests and build the upstream request of a job.

Settings of OpenAI that have no effect here are rejected, never ignored.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlencode

import msgspec
from msgspec import Meta

from billing.rating.quantities import NO_USAGE
from gateway.call.errors import ParameterInvalid
from gateway.call.values import OutputBounds, ParsedRequest
from gateway.wire import body as bodies
from gateway.wire.costs import COSTS, require_costs
from models.anomaly.settings import MAX_SENSITIVITY, MIN_SENSITIVITY
from models.catalog import Model, Task
from models.own_columns import OWN_COLUMNS
from models.tables.schema import NO_SCHEMA, SchemaRequest

# Maximum training seconds, as in serving/training/fine_tune_task.py. A job's price is reserved for
# this time.
MAX_DURATION_S = 300
# Language models train longer than specialists.
MAX_TEXT_DURATION_S = 1800
_SUFFIX = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
_DEFAULT_VALUES = ("auto", None)
SENSITIVITY, SCHEMA = "sensitivity", "schema"


class JobRequest(msgspec.Struct):
    """`POST /v1/fine_tuning/jobs`.

    `suffix` is the name of the fine-tuned model; a job with an existing name trains its next
    version. `schema` states the columns of a table: target, machine, time, ignored ones, types,
    units, and the costs of wrong decisions. `scrub` removes personal data from dialogues before
    training. `share_for_improvement` allows training the shared model on them. `with_observations`
    appends the observed results of the model's predictions, which were reported with inputs.
    """

    model: str
    training_file: str
    suffix: str = "default"
    hyperparameters: dict[str, Any] | None = None
    method: dict[str, Any] | None = None
    validation_file: str | None = None
    integrations: list[Any] | None = None
    metadata: dict[str, Annotated[str, Meta(max_length=512)]] | None = None
    seed: int | None = None
    schema: dict[str, Any] | None = None
    scrub: bool = False
    share_for_improvement: bool = False
    with_observations: bool = False


class ConsentRequest(msgspec.Struct):
    """`POST /v1/fine_tuning/jobs/{job}/consent`: gives or withdraws the consent."""

    share_for_improvement: bool


CONSENT_DECODER = msgspec.json.Decoder(ConsentRequest)
_JOB = msgspec.json.Decoder(JobRequest)


def parse_job_request(body: bytes) -> JobRequest:
    """Parse and validate the body of a fine-tuning job.

    Raises BodyNotJson, ParameterInvalid naming the field.
    """
    request = bodies.decode_body_strict(_JOB, body)
    if not _SUFFIX.fullmatch(request.suffix):
        raise ParameterInvalid(
            "`suffix` must have 1 to 40 lower-case letters, digits and hyphens, for "
            "example `line-3`.",
            param="suffix",
        )
    if request.validation_file is not None:
        raise ParameterInvalid(
            "`validation_file` is not supported: a part of the training file is held out "
            "for validation.",
            param="validation_file",
        )
    if request.integrations:
        raise ParameterInvalid("`integrations` is not supported.", param="integrations")
    _require_defaults("hyperparameters", request.hyperparameters or {})
    _require_method(request.method or {})
    sensitivity_of(request)
    parse_schema(request.schema)
    if len(request.metadata or {}) > 16:
        raise ParameterInvalid("`metadata` can have at most 16 entries.", param="metadata")
    return request


def parse_schema(schema: Mapping[str, Any] | None) -> SchemaRequest:
    """Return what a customer states about the columns of a table. Raises ParameterInvalid."""
    if schema is None:
        return NO_SCHEMA
    try:
        request = msgspec.convert(schema, SchemaRequest)
    except msgspec.ValidationError as error:
        raise ParameterInvalid(f"`schema`: {error}.", param="schema") from error
    if request.costs is not None:
        require_costs(request.costs, f"{SCHEMA}.{COSTS}")
    return request


def sensitivity_of(request: JobRequest) -> float | None:
    """Return a job's sensitivity for an anomaly detector, or None if it is unset or `auto`.

    Reads `hyperparameters` and OpenAI's newer `method.supervised.hyperparameters`. Raises
    ParameterInvalid.
    """
    method = (request.method or {}).get("supervised") or {}
    supervised = method.get("hyperparameters") if isinstance(method, dict) else None
    for settings in (request.hyperparameters, supervised):
        value = settings.get(SENSITIVITY) if isinstance(settings, dict) else None
        if value in _DEFAULT_VALUES:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _sensitivity_invalid()
        if not MIN_SENSITIVITY <= value <= MAX_SENSITIVITY:
            raise _sensitivity_invalid()
        return float(value)
    return None


def _sensitivity_invalid() -> ParameterInvalid:
    """Return the error that names the allowed range of the sensitivity."""
    return ParameterInvalid(
        f"`hyperparameters.{SENSITIVITY}` must be a number from {MIN_SENSITIVITY:g} "
        f"to {MAX_SENSITIVITY:g}; the default is 1, higher values give more alarms.",
        param="hyperparameters",
    )


def max_duration_s(model: Model) -> int:
    """Return the maximum training time of a model, in seconds."""
    return MAX_TEXT_DURATION_S if model.task is Task.TEXT_GENERATION else MAX_DURATION_S


def build_fine_tuning_request(
    model: Model,
    training_file: bytes,
    seconds: int | None = None,
    mixing: float | None = None,
    sensitivity: float | None = None,
    schema: Mapping[str, Any] | None = None,
) -> ParsedRequest:
    """Build the upstream request to fine-tune a model; `mixing` is the weight of the new training.

    `seconds` limits the training time (the model's maximum if None). `mixing` is the weight of the
    new training against the version it continues from, above 0 to 1; None is 1. `sensitivity` is
    for anomaly detectors, `schema` for models of tables.

    Raises ParameterInvalid if the model cannot be fine-tuned, or has no sensitivity or schema.
    """
    if model.adapter is None:
        raise ParameterInvalid(
            f"The model {model.id!r} cannot be fine-tuned. GET /v1/models shows which models can.",
            param="model",
        )
    if sensitivity is not None and model.task is not Task.ANOMALY_DETECTION:
        raise ParameterInvalid(
            f"`hyperparameters.{SENSITIVITY}` applies to anomaly detectors only; "
            f"{model.id!r} is not an anomaly detector.",
            param="hyperparameters",
        )
    if schema is not None and model.adapter not in OWN_COLUMNS:
        raise ParameterInvalid(
            f"`schema` applies to models of tables only; {model.id!r} is none.", param="schema"
        )
    max_seconds = max_duration_s(model)
    seconds = max_seconds if seconds is None else min(seconds, max_seconds)
    query = [("most_s", str(seconds))] if seconds < max_seconds else []
    query += [("mixing", f"{mixing:.2f}")] if mixing is not None else []
    query += [(SENSITIVITY, f"{sensitivity:.6f}")] if sensitivity is not None else []
    stated = b"" if schema is None else msgspec.json.encode(schema)
    query += [("schema_length", str(len(stated)))] if stated else []
    return ParsedRequest(
        model=model,
        path=f"/v2/adaptations/{model.id}" + (f"?{urlencode(query)}" if query else ""),
        body=stated + training_file,
        headers={"content-type": "application/jsonl"},
        measure=lambda _: NO_USAGE,
        output_bounds=OutputBounds(adaptation_seconds=seconds),
    )


def _require_method(method: Mapping[str, Any]) -> None:
    """Raise ParameterInvalid unless the method is `supervised` with default hyperparameters."""
    if method.get("type", "supervised") != "supervised":
        raise ParameterInvalid("`method.type` must be `supervised`.", param="method")
    supervised = method.get("supervised") or {}
    settings = supervised.get("hyperparameters") if isinstance(supervised, dict) else None
    _require_defaults("method", settings if isinstance(settings, dict) else {})


def _require_defaults(name: str, settings: Mapping[str, Any]) -> None:
    """Raise ParameterInvalid unless all settings but `sensitivity` are `auto` or null."""
    for key, value in settings.items():
        if value not in _DEFAULT_VALUES and key != SENSITIVITY:
            raise ParameterInvalid(
                f"`{name}.{key[:40]}` must be `auto`; specialist models choose the value "
                "themselves.",
                param=name,
            )
