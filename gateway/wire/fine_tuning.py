"""OpenAI's fine-tuning wire: what a job is asked for with, and the ask that it becomes.

Owns the body's shape and which of OpenAI's settings mean something here.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlencode

import msgspec
from msgspec import Meta

from billing.rating.quantities import NOTHING
from gateway.call.errors import ParameterInvalid
from gateway.call.values import Ask, Extent
from gateway.wire import body as bodies
from models.anomaly.settings import LEAST_SENSITIVE, MOST_SENSITIVE
from models.catalog import Model, Task

# The limit of serving/training/fine_tune_task.py: its price is reserved before a job.
MOST_S = 300
# A language model learns longer than a specialist.
MOST_TEXT_S = 1800
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
_AUTO = ("auto", None)
SENSITIVITY = "sensitivity"


class JobRequest(msgspec.Struct):
    """`POST /v1/fine_tuning/jobs`. `suffix` names the variant: the same name again is its next
    version. `scrub` takes personal data out of dialogues before they are learned from;
    `share_for_improvement` lets them improve the model for everybody."""

    model: str
    training_file: str
    suffix: str = "default"
    hyperparameters: dict[str, Any] | None = None
    method: dict[str, Any] | None = None
    validation_file: str | None = None
    integrations: list[Any] | None = None
    metadata: dict[str, Annotated[str, Meta(max_length=512)]] | None = None
    seed: int | None = None
    scrub: bool = False
    share_for_improvement: bool = False


class ConsentRequest(msgspec.Struct):
    """`POST /v1/fine_tuning/jobs/{job}/consent`: given, or withdrawn."""

    share_for_improvement: bool


CONSENT = msgspec.json.Decoder(ConsentRequest)
_JOB = msgspec.json.Decoder(JobRequest)


def read_job(body: bytes) -> JobRequest:
    """Check the body. Raises BodyNotJson, ParameterInvalid naming the field."""
    request = bodies.read_strictly(_JOB, body)
    if not _NAME.fullmatch(request.suffix):
        raise ParameterInvalid(
            "`suffix` is 1 to 40 lower-case letters, digits and hyphens, as `line-3`.",
            param="suffix",
        )
    if request.validation_file is not None:
        raise ParameterInvalid(
            "`validation_file` is not used: a part of the training file is held out.",
            param="validation_file",
        )
    if request.integrations:
        raise ParameterInvalid("There are no integrations here.", param="integrations")
    _require_defaults("hyperparameters", request.hyperparameters or {})
    _require_method(request.method or {})
    sensitivity_of(request)
    if len(request.metadata or {}) > 16:
        raise ParameterInvalid("`metadata` has at most 16 entries.", param="metadata")
    return request


def sensitivity_of(request: JobRequest) -> float | None:
    """An anomaly detector's, from `hyperparameters` or OpenAI's newer
    `method.supervised.hyperparameters`; None where it is left to us. Raises ParameterInvalid."""
    method = (request.method or {}).get("supervised") or {}
    newer = method.get("hyperparameters") if isinstance(method, dict) else None
    for given in (request.hyperparameters, newer):
        value = given.get(SENSITIVITY) if isinstance(given, dict) else None
        if value in _AUTO:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _sensitivity_invalid()
        if not LEAST_SENSITIVE <= value <= MOST_SENSITIVE:
            raise _sensitivity_invalid()
        return float(value)
    return None


def _sensitivity_invalid() -> ParameterInvalid:
    return ParameterInvalid(
        f"`hyperparameters.{SENSITIVITY}` is a number from {LEAST_SENSITIVE:g} to "
        f"{MOST_SENSITIVE:g}; 1 is the default, above 1 gives more alarms.",
        param="hyperparameters",
    )


def most_seconds(model: Model) -> int:
    """How long learning may take."""
    return MOST_TEXT_S if model.task is Task.TEXT_GENERATION else MOST_S


def ask_adaptation(
    model: Model,
    training_file: bytes,
    seconds: int | None = None,
    mixing: float | None = None,
    sensitivity: float | None = None,
) -> Ask:
    """What goes to the server that learns, for so long at most, and how far it goes from what it
    goes on from (above 0; all the way where None), and with which sensitivity. Raises
    ParameterInvalid where it cannot learn, or has no sensitivity."""
    if model.adapter is None:
        raise ParameterInvalid(
            f"The model {model.id!r} cannot be adapted. GET /v1/models shows which can.",
            param="model",
        )
    if sensitivity is not None and model.task is not Task.ANOMALY_DETECTION:
        raise ParameterInvalid(
            f"`hyperparameters.{SENSITIVITY}` is a setting of anomaly detectors; {model.id!r} is "
            "none.",
            param="hyperparameters",
        )
    most = most_seconds(model)
    seconds = most if seconds is None else min(seconds, most)
    query = [("most_s", str(seconds))] if seconds < most else []
    query += [("mixing", f"{mixing:.2f}")] if mixing is not None else []
    query += [(SENSITIVITY, f"{sensitivity:.6f}")] if sensitivity is not None else []
    return Ask(
        model=model,
        path=f"/v2/adaptations/{model.id}" + (f"?{urlencode(query)}" if query else ""),
        body=training_file,
        headers={"content-type": "application/jsonl"},
        measure=lambda _: NOTHING,
        extent=Extent(adaptation_seconds=seconds),
    )


def _require_method(method: Mapping[str, Any]) -> None:
    if method.get("type", "supervised") != "supervised":
        raise ParameterInvalid("`method.type` is `supervised`.", param="method")
    supervised = method.get("supervised") or {}
    given = supervised.get("hyperparameters") if isinstance(supervised, dict) else None
    _require_defaults("method", given if isinstance(given, dict) else {})


def _require_defaults(name: str, given: Mapping[str, Any]) -> None:
    """A setting that would be passed over in silence is refused."""
    for key, value in given.items():
        if value not in _AUTO and key != SENSITIVITY:
            raise ParameterInvalid(
                f"`{name}.{key[:40]}` is `auto`: each specialist chooses for itself.", param=name
            )
