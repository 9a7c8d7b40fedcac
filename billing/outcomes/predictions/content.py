"""The content of a prediction record: event, subject, verdict, probability, horizon and basis.

    {"account", "agent", "asset", "basis", "event", "from", "id", "position", "previous",
     "probability_ppm", "question_sha256", "recorded_at", "subject", "to", "verdict"}

These are the fields of the signed payload. Numbers are integers and times are UTC with
milliseconds, so that one prediction has one text.
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec

from billing.metering.usage import REQUEST_ID_PREFIX
from billing.money import PPM
from billing.outcomes.contracts.field_rules import is_line
from billing.outcomes.contracts.prediction_rules import is_event_kind
from billing.outcomes.predictions.errors import PredictionInvalid
from infra import ids

MAX_CALLS = 20
_MAX_HORIZON = timedelta(days=730)
_MAX_QUESTION = 2_000
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


class PredictionVerdict(StrEnum):
    """What a prediction says about the event within its horizon."""

    YES = "yes"  # a warning
    NO = "no"
    UNCERTAIN = "uncertain"


class PredictionSource(StrEnum):
    """Who put the content into the ledger. The calls are checked in every case."""

    DECISION = "decision"  # copied from a signed decision record
    VERDICT = "verdict"  # copied from the stored verdict of a prediction by asset
    AGENT = "agent"  # an agent of this service
    REPORTED = "reported"  # a program of the account


@dataclass(frozen=True, slots=True)
class Basis:
    """What a prediction was made from: model, version, calls, hash of the inputs, former record.

    `record` is the id of the decision record (`drec_…`) or verdict (`vrd_…`) it was copied from.
    """

    model: str
    source: PredictionSource
    version: str = ""
    request_ids: tuple[UUID, ...] = ()
    inputs_sha256: str | None = None
    record: str | None = None


@dataclass(frozen=True, slots=True)
class AgentVersion:
    """The agent that predicts, and the version of its definition."""

    id: str
    version: str


@dataclass(frozen=True, slots=True)
class NewPrediction:
    """A prediction to record: will `event` happen to `subject` within the horizon?

    `probability_ppm` is that of the event, whatever the verdict. `horizon_from` and `horizon_to`
    have a time zone. `asset` is the asset's public id where the subject is one. The question is
    recorded by its hash. Equal `idempotency_key` and content are recorded once.
    """

    subject: str
    event: str
    verdict: PredictionVerdict
    probability_ppm: int | None
    horizon_from: datetime
    horizon_to: datetime
    basis: Basis
    idempotency_key: str
    asset: str | None = None
    agent: AgentVersion | None = None
    question: str | None = None


def validate_prediction(new: NewPrediction) -> None:
    """Check all fields of a prediction. Raises PredictionInvalid with the field."""
    _require(is_line(new.subject, 200), "subject", "must be one line of at most 200 characters")
    _require(is_event_kind(new.event), "event", "must be a name such as pump_failure")
    key = is_line(new.idempotency_key, 200)
    _require(key, "idempotency_key", "must be one line of at most 200 characters")
    ppm = new.probability_ppm
    probable = ppm is None or 0 <= ppm <= PPM
    _require(probable, "probability", "must be between 0 and 1")
    _validate_horizon(new.horizon_from, new.horizon_to)
    _require(new.asset is None or is_line(new.asset, 60), "asset", "must be the id of an asset")
    question = new.question
    asked = question is None or len(question) <= _MAX_QUESTION
    _require(asked, "question", f"can have at most {_MAX_QUESTION} characters")
    _validate_basis(new.basis)
    agent = new.agent
    named = agent is None or (is_line(agent.id, 100) and is_line(agent.version, 100))
    _require(named, "agent", "must have an id and a version of at most 100 characters each")


def content_json(new: NewPrediction) -> dict[str, Any]:
    """Return a prediction's own fields of the payload, without those that the ledger adds."""
    basis, agent = new.basis, new.agent
    return {
        "subject": new.subject,
        "asset": new.asset,
        "event": new.event,
        "question_sha256": None if new.question is None else sha256_hex(new.question.encode()),
        "verdict": new.verdict.value,
        "probability_ppm": new.probability_ppm,
        "from": instant_text(new.horizon_from),
        "to": instant_text(new.horizon_to),
        "basis": {
            "model": basis.model,
            "version": basis.version,
            "source": basis.source.value,
            "request_ids": [ids.format_id(REQUEST_ID_PREFIX, one) for one in basis.request_ids],
            "inputs_sha256": basis.inputs_sha256,
            "record": basis.record,
        },
        "agent": None if agent is None else {"id": agent.id, "version": agent.version},
    }


def content_digest(new: NewPrediction) -> bytes:
    """Return the SHA-256 of a prediction's own fields, by which repeated appends are compared."""
    return hashlib.sha256(msgspec.json.encode(content_json(new), order="sorted")).digest()


def instant_text(at: datetime) -> str:
    """Return a time as records state it: UTC, milliseconds, `Z`."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def to_milliseconds(at: datetime) -> datetime:
    """Return a time in UTC without what is below its milliseconds."""
    at = at.astimezone(UTC)
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def sha256_hex(content: bytes) -> str:
    """Return a SHA-256 in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def _validate_horizon(since: datetime, until: datetime) -> None:
    """Require times with an offset, in order and at most two years apart."""
    zoned = since.tzinfo is not None and until.tzinfo is not None
    _require(zoned, "from", "and to must have an offset, such as +08:00")
    _require(since < until, "to", "must be later than from")
    _require(until - since <= _MAX_HORIZON, "to", "can be at most 730 days after from")


def _validate_basis(basis: Basis) -> None:
    """Require a model and distinct calls; a digest must be one."""
    _require(is_line(basis.model, 100), "model", "must be a model id")
    _require(basis.version == "" or is_line(basis.version, 100), "version", "is too long")
    calls = basis.request_ids
    few = len(calls) <= MAX_CALLS and len(set(calls)) == len(calls)
    _require(few, "request_ids", f"must be at most {MAX_CALLS} different calls")
    sha = basis.inputs_sha256
    hashed = sha is None or _SHA256.fullmatch(sha) is not None
    _require(hashed, "inputs_sha256", "must be 64 hexadecimal digits in lower case")


def _require(condition: bool, field: str, message: str) -> None:
    """Raise PredictionInvalid naming the field if the condition is false."""
    if not condition:
        raise PredictionInvalid(f"{field}: {message}.", param=field)
