"""Whether a record of the ledger supports a claim of an event under a contract's prediction rules.

The same rules apply to a new claim and, from the evidence bundle alone, to a settled one.
"""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import ACCOUNT_ID_PREFIX
from billing.metering.usage import REQUEST_ID_PREFIX
from billing.outcomes.contracts.prediction_rules import PredictionRules
from billing.outcomes.contracts.terms import EventEffect
from billing.outcomes.predictions.alarms import Forecast, alarm_of
from billing.outcomes.predictions.assessment import policy_of
from billing.outcomes.predictions.content import PredictionSource
from billing.outcomes.predictions.errors import PredictionRecordRejected
from billing.outcomes.predictions.ledger import find_record
from billing.outcomes.predictions.model_keys import list_keys
from billing.outcomes.predictions.tokens import (
    ParsedRecord,
    RecordPayload,
    is_signed_by,
    parse_record,
)
from billing.tables import PredictionKey
from infra import ids


async def require_supporting_record(
    session: AsyncSession,
    account_id: UUID,
    rules: PredictionRules,
    effect: EventEffect,
    record_id: UUID | None,
    subject: str,
    happened_at: datetime,
) -> RecordPayload:
    """Return the payload of the record that supports a claim about this subject and time.

    Raises PredictionRecordRejected with the reason.
    """
    if record_id is None:
        raise _rejected(
            "The contract pays predicted events only: the claim must name the record that "
            "predicted the event in its field prediction (pred_…)."
        )
    row = await find_record(session, account_id, record_id)
    if row is None:
        raise _rejected("The account has no such prediction record.")
    record = parse_record(row.token)
    keys = {one.kid: one for one in await list_keys(session, [record.kid])}
    if not _is_account_record(account_id, record) or not _is_authentic(record, keys):
        raise _rejected("The signature of the prediction record cannot be verified.")
    fault = support_fault(rules, effect, record.payload, subject, happened_at)
    if fault is None and is_revoked(record, keys[record.kid].invalid_from):
        fault = "was signed by a key that is revoked from before that time"
    if fault is not None:
        raise _rejected(f"The prediction record {fault}.")
    return record.payload


def support_fault(
    rules: PredictionRules,
    effect: EventEffect,
    payload: RecordPayload,
    subject: str,
    happened_at: datetime,
) -> str | None:
    """Return why a record does not support a claim about a subject and time; None if it does."""
    if payload.subject != subject or subject not in rules.subjects:
        return "or the contract is about other subjects"
    fault = relevance_fault(rules, payload)
    if fault is not None:
        return fault
    policy, forecast = policy_of(rules, effect), forecast_of(payload)
    if not policy.is_warning(forecast):
        percent = rules.probability_ppm / 10_000
        return f"does not predict the event with a probability of at least {percent:g} %"
    alarm = alarm_of(policy, forecast)
    if alarm is None or not alarm.covers(happened_at):
        return (
            f"does not cover the event: it must be made {effect.lead_hours} to "
            f"{effect.window_hours} hours before it, with a horizon that contains it"
        )
    return None


def relevance_fault(rules: PredictionRules, payload: RecordPayload) -> str | None:
    """Return why a record does not count under a contract at all; None if it does."""
    if payload.event != rules.event:
        return f"predicts {payload.event}, and the contract is about {rules.event}"
    if payload.basis.model not in rules.models:
        return "is of a model that the contract does not name"
    if rules.agents and (payload.agent is None or payload.agent.id not in rules.agents):
        return "is of an agent that the contract does not name"
    if payload.basis.source == PredictionSource.REPORTED and not rules.reported:
        return "was reported by a program, which the contract does not accept"
    return None


def forecast_of(payload: RecordPayload, *, supports: bool = True) -> Forecast:
    """Return a record in the form that is scored."""
    return Forecast(
        payload.id,
        payload.subject,
        payload.recorded_at,
        payload.since,
        payload.until,
        payload.verdict,
        payload.probability_ppm,
        supports,
    )


def is_revoked(record: ParsedRecord, invalid_from: datetime | None) -> bool:
    """Return whether a record was made when its key was no longer valid."""
    return invalid_from is not None and record.payload.recorded_at >= invalid_from


def record_calls(payload: RecordPayload) -> tuple[UUID, ...]:
    """Return the calls that a record was made from."""
    parsed = (ids.parse_id(REQUEST_ID_PREFIX, one) for one in payload.basis.request_ids)
    return tuple(one for one in parsed if one is not None)


def _is_account_record(account_id: UUID, record: ParsedRecord) -> bool:
    """Return whether the signed text names this account."""
    return record.payload.account == ids.format_id(ACCOUNT_ID_PREFIX, account_id)


def _is_authentic(record: ParsedRecord, keys: Mapping[str, PredictionKey]) -> bool:
    """Return whether a record is signed by a published key of its model."""
    key = keys.get(record.kid)
    return (
        key is not None
        and key.model == record.payload.basis.model
        and is_signed_by(record, key.public_key)
    )


def _rejected(message: str) -> PredictionRecordRejected:
    """Return the error of a record that does not support a claim."""
    return PredictionRecordRejected(message, param="prediction")
