"""Claims that name a decision record: which records support one, and where it is shown."""

import json
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest

from billing.outcomes.evidence.decision_records import (
    PREFIX,
    PURPOSE,
    DecisionRecordRejected,
    decision_message,
)
from billing.outcomes.evidence.statements import StatementInvalid
from billing.outcomes.settlement.views import outcome_json, settlement_json
from billing.tables import DecisionRecord
from infra import ids
from infra.secrets.signing_key import SigningKey
from tests.support.stories.outcome_story import Contract, contract
from tests.support.stories.story import Story

KEY = SigningKey(b"s" * 32, PURPOSE)
FAILURE = (2026, 10, 11, 12)


@pytest.fixture
async def spindles(story: Story) -> Contract:
    """The usual contract, on the 20th of October; a call six hours before the failure."""
    made = await contract(await story.firm())
    story.clock.set(2026, 10, 20)
    await made.use("M1", 2026, 10, 11, 6)
    return made


async def decided(
    of: Contract, at: datetime, subject: str | None = "M1", account_id: UUID | None = None
) -> str:
    """Store a signed record; returns its public id."""
    record_id, account = ids.new_id(), account_id or of.firm.account.id
    text = json.dumps({"subject": subject, "decided_at": at.isoformat(), "verdict": "yes"})
    values: dict[str, Any] = {"model": "mill", "verdict": "yes", "key_id": KEY.key_id}
    signature = KEY.sign(decision_message(record_id, text))
    async with of.firm.story.database.transaction() as session:
        session.add(
            DecisionRecord(
                id=record_id,
                account_id=account,
                request_id=ids.new_id(),
                document=text,
                signature=signature,
                created_at=at,
                **values,
            )
        )
    return ids.format_id(PREFIX, record_id)


def time(of: Contract, *at: int) -> datetime:
    return of.firm.story.clock.at(*at)


async def claim(of: Contract, decision: str, key: bytes | None = KEY.public_key) -> Any:
    return await of.claims("W-1", "M1", *FAILURE, decision=decision, decision_key=key)


async def test_record_from_before_the_event_is_kept_and_shown_with_outcome_and_settlement(
    spindles: Contract,
) -> None:
    record = await decided(spindles, time(spindles, 2026, 10, 11, 6))
    outcome = await spindles.confirms(await claim(spindles, record))
    async with spindles.firm.story.database.transaction() as session:
        assert (await outcome_json(session, outcome))["decision"] == record
    await spindles.until(2026, 11, 20)
    (settlement,) = await spindles.settlements()
    async with spindles.firm.story.database.transaction() as session:
        shown = await settlement_json(session, settlement)
    assert shown["decisions"] == {shown["outcomes"][0]: record}


async def test_outcome_without_a_record_shows_none(spindles: Contract) -> None:
    outcome = await spindles.claims("W-1", "M1", *FAILURE)
    async with spindles.firm.story.database.transaction() as session:
        assert (await outcome_json(session, outcome))["decision"] is None


@pytest.mark.parametrize(
    ("at", "subject"),
    [
        ((2026, 10, 11, 13), "M1"),  # after the event
        ((2026, 10, 11, 11), "M1"),  # too late to act on: the contract demands two hours
        ((2026, 10, 1, 12), "M1"),  # before the contract's window of a week
        ((2026, 10, 11, 6), "M2"),
        ((2026, 10, 11, 6), None),
    ],
    ids=["after", "too late", "too early", "other subject", "no subject"],
)
async def test_record_that_does_not_support_the_claim_is_rejected(
    spindles: Contract, at: tuple[int, ...], subject: str | None
) -> None:
    record = await decided(spindles, time(spindles, *at), subject)
    with pytest.raises(DecisionRecordRejected):
        await claim(spindles, record)


async def test_record_of_another_account_is_rejected(spindles: Contract) -> None:
    other = await spindles.firm.story.firm("Other")
    at = time(spindles, 2026, 10, 11, 6)
    record = await decided(spindles, at, account_id=other.account.id)
    with pytest.raises(DecisionRecordRejected, match="no such"):
        await claim(spindles, record)


@pytest.mark.parametrize("key", [None, SigningKey(b"t" * 32, PURPOSE).public_key])
async def test_record_whose_signature_cannot_be_verified_is_rejected(
    spindles: Contract, key: bytes | None
) -> None:
    record = await decided(spindles, time(spindles, 2026, 10, 11, 6))
    with pytest.raises(DecisionRecordRejected, match="signature"):
        await claim(spindles, record, key)


async def test_name_that_is_no_record_is_an_invalid_statement(spindles: Contract) -> None:
    with pytest.raises(StatementInvalid) as caught:
        await claim(spindles, "req_1")
    assert caught.value.param == "decision"
