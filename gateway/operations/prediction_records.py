"""Predictions to record, built from requests: from a decision record, a verdict or stated fields.

What the service stored itself (a signed decision record, the verdict of a prediction by asset) is
copied by the service; the record's source says which it was.
"""

from dataclasses import replace
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.metering.usage import REQUEST_ID_PREFIX
from billing.money import PPM
from billing.outcomes.evidence.statements import PREDICTION_PREFIX
from billing.outcomes.predictions.content import (
    AgentVersion,
    Basis,
    NewPrediction,
    PredictionSource,
    PredictionVerdict,
    content_digest,
)
from billing.outcomes.predictions.errors import PredictionInvalid, PredictionNotFound
from gateway.plant.assets.ids import ASSET
from gateway.plant.predictions.verdicts import VERDICT
from gateway.plant.store.queries import find_asset
from gateway.registry.decision_records import find_record
from gateway.tables.plant_verdicts import PlantVerdict
from infra import ids

_PROBABILITY = "probability"
_WARN_FROM = 0.5


class RecordRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A prediction to record: `event` happens to the subject between `from` and `to`, or not.

    With `decision` (drec_…) or `plant_verdict` (vrd_…), verdict, probability and basis are copied
    from what the service stored. Otherwise `model`, `request_ids` and `verdict` are stated.
    `warn_from` is the probability from which a verdict without a decision of its own is a warning.
    Without `idempotency_key`, equal content is recorded once.
    """

    event: str
    since: datetime = msgspec.field(name="from")
    until: datetime = msgspec.field(name="to")
    subject: str | None = None
    asset: str | None = None
    decision: str | None = None
    plant_verdict: str | None = None
    model: str | None = None
    version: str = ""
    request_ids: list[str] = []
    verdict: Literal["yes", "no", "uncertain"] | None = None
    probability: float | None = None
    inputs_sha256: str | None = None
    warn_from: float = _WARN_FROM
    agent: str | None = None
    agent_version: str | None = None
    question: str | None = None
    idempotency_key: str | None = None


class _DecisionBasis(msgspec.Struct):
    model: str
    version: str | None
    request_id: str
    inputs_sha256: str


class _DecisionDocument(msgspec.Struct):
    """What a record copies of a decision record's signed text."""

    verdict: str
    basis: _DecisionBasis
    subject: str | None = None
    probability: float | None = None


class _Copied(msgspec.Struct, frozen=True):
    """Subject, asset, verdict, probability and basis of a prediction, wherever they come from."""

    subject: str | None
    asset: str | None
    verdict: PredictionVerdict
    probability: float | None
    basis: Basis


def parse_prediction_id(text: str) -> UUID:
    """Parse a record's public id. Raises PredictionNotFound if it is malformed."""
    parsed = ids.parse_id(PREDICTION_PREFIX, text)
    if parsed is None:
        raise PredictionNotFound("The account has no such prediction record.", param="record")
    return parsed


async def build_prediction(
    session: AsyncSession, account_id: UUID, request: RecordRequest
) -> NewPrediction:
    """Build the prediction of a request.

    Raises PredictionInvalid, PredictionNotFound, DecisionRecordNotFound, PlantNodeNotFound.
    """
    copied = await _copy(session, account_id, request)
    asset, subject = copied.asset, request.subject or copied.subject
    if request.asset is not None:
        row = await find_asset(session, account_id, request.asset)
        asset, subject = ids.format_id(ASSET, row.id), subject or row.code
    if subject is None:
        raise PredictionInvalid("subject: name a subject or an asset.", param="subject")
    probability = copied.probability
    if probability is not None and not 0 <= probability <= 1:
        raise PredictionInvalid("probability: must be between 0 and 1.", param="probability")
    prediction = NewPrediction(
        subject=subject,
        event=request.event,
        verdict=copied.verdict,
        probability_ppm=None if probability is None else round(probability * PPM),
        horizon_from=request.since,
        horizon_to=request.until,
        basis=copied.basis,
        idempotency_key=request.idempotency_key or "-",
        asset=asset,
        agent=_agent(request),
        question=request.question,
    )
    if request.idempotency_key is not None:
        return prediction
    _require_zone(request)
    key = f"content-{content_digest(prediction).hex()}"
    return replace(prediction, idempotency_key=key)


async def _copy(session: AsyncSession, account_id: UUID, request: RecordRequest) -> _Copied:
    """Return what is copied from a decision record or verdict, or what the request states."""
    if request.decision is not None and request.plant_verdict is None:
        return await _from_decision(session, account_id, request.decision)
    if request.plant_verdict is not None and request.decision is None:
        return await _from_verdict(session, account_id, request)
    if request.decision is not None:
        raise PredictionInvalid(
            "decision: name a decision record or a plant verdict, not both.", param="decision"
        )
    return _stated(request)


async def _from_decision(session: AsyncSession, account_id: UUID, name: str) -> _Copied:
    """Copy a signed decision record of the account. Raises DecisionRecordNotFound."""
    row = await find_record(session, account_id, name)
    document = msgspec.json.decode(row.document, type=_DecisionDocument)
    request_id = ids.parse_id(REQUEST_ID_PREFIX, document.basis.request_id)
    basis = Basis(
        model=document.basis.model,
        source=PredictionSource.DECISION,
        version=document.basis.version or "",
        request_ids=() if request_id is None else (request_id,),
        inputs_sha256=document.basis.inputs_sha256,
        record=name,
    )
    known = document.verdict in list(PredictionVerdict)
    verdict = PredictionVerdict(document.verdict) if known else PredictionVerdict.UNCERTAIN
    return _Copied(document.subject, None, verdict, document.probability, basis)


async def _from_verdict(session: AsyncSession, account_id: UUID, request: RecordRequest) -> _Copied:
    """Copy the stored verdict of a prediction by asset. Raises PredictionNotFound."""
    name = request.plant_verdict or ""
    query = select(PlantVerdict).where(
        col(PlantVerdict.account_id) == account_id,
        col(PlantVerdict.id) == ids.parse_id(VERDICT, name),
    )
    row = (await session.scalars(query)).one_or_none()
    if row is None:
        raise PredictionNotFound("The account has no such verdict.", param="plant_verdict")
    probability = _probability(row.prediction)
    asset = await find_asset(session, account_id, ids.format_id(ASSET, row.asset_id))
    basis = Basis(
        model=row.model,
        source=PredictionSource.VERDICT,
        request_ids=(row.request_id,),
        record=name,
    )
    verdict = _verdict(row.prediction, probability, request.warn_from)
    return _Copied(asset.code, ids.format_id(ASSET, asset.id), verdict, probability, basis)


def _stated(request: RecordRequest) -> _Copied:
    """Return what a program of the account states. Raises PredictionInvalid."""
    if request.model is None or request.verdict is None:
        field = "model" if request.model is None else "verdict"
        raise PredictionInvalid(
            f"{field}: is required without decision or plant_verdict.", param=field
        )
    calls = [ids.parse_id(REQUEST_ID_PREFIX, one) for one in request.request_ids]
    if None in calls:
        raise PredictionInvalid("request_ids: must be ids req_….", param="request_ids")
    basis = Basis(
        model=request.model,
        source=PredictionSource.REPORTED,
        version=request.version,
        request_ids=tuple(one for one in calls if one is not None),
        inputs_sha256=request.inputs_sha256,
    )
    verdict = PredictionVerdict(request.verdict)
    return _Copied(request.subject, None, verdict, request.probability, basis)


def _probability(prediction: dict[str, Any]) -> float | None:
    """Return the first probability among a verdict's outputs, None without one."""
    for name, value in prediction.items():
        named = name == _PROBABILITY or name.endswith(f"_{_PROBABILITY}")
        if named and isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
    return None


def _verdict(
    prediction: dict[str, Any], probability: float | None, warn_from: float
) -> PredictionVerdict:
    """Return the decision of a verdict's outputs, else of its probability."""
    flags = [value for value in prediction.values() if isinstance(value, bool)]
    if flags:
        return PredictionVerdict.YES if any(flags) else PredictionVerdict.NO
    if probability is None:
        return PredictionVerdict.UNCERTAIN
    return PredictionVerdict.YES if probability >= warn_from else PredictionVerdict.NO


def _agent(request: RecordRequest) -> AgentVersion | None:
    """Return the agent that a request names. Raises PredictionInvalid without a version."""
    if request.agent is None:
        return None
    if request.agent_version is None:
        raise PredictionInvalid("agent_version: is required with agent.", param="agent_version")
    return AgentVersion(request.agent, request.agent_version)


def _require_zone(request: RecordRequest) -> None:
    """Require an offset of both times, without which the content has no digest."""
    if request.since.tzinfo is None or request.until.tzinfo is None:
        raise PredictionInvalid("from: and to must have an offset, such as +08:00.", param="from")
