"""Scores of a ledger: events from every source, by model and agent."""

from datetime import timedelta
from typing import Any

import pytest

from billing.outcomes.predictions import score_query
from billing.outcomes.predictions.alarms import Period
from billing.outcomes.predictions.content import PredictionVerdict
from billing.outcomes.predictions.errors import PredictionConflict, PredictionInvalid
from billing.outcomes.predictions.events import NewEvent, list_reports, report_event
from billing.outcomes.predictions.score_query import (
    LedgerScores,
    ScoreRequest,
    list_event_kinds,
    score_ledger,
)
from billing.outcomes.predictions.views import ledger_scores_json, report_json
from tests.support.outcomes.predictions import name_of, predicted_contract, record_at
from tests.support.stories.outcome_story import Contract
from tests.support.stories.story import Story


@pytest.fixture
async def pumps(story: Story) -> Contract:
    """The contract with prediction rules, on the 20th of October."""
    made = await predicted_contract(await story.firm())
    story.clock.set(2026, 10, 20)
    return made


async def scored(of: Contract, first: int = 1, last: int = 31, **values: Any) -> LedgerScores:
    firm, clock = of.firm, of.firm.story.clock
    period = Period(clock.at(2026, 10, first), clock.at(2026, 10, last))
    wanted = ScoreRequest(values.pop("event", "spindle_failure"), period, **values)
    async with firm.story.database.transaction() as session:
        return await score_ledger(session, clock, firm.account.id, wanted)


async def reported(of: Contract, key: str, **values: Any) -> Any:
    firm, clock = of.firm, of.firm.story.clock
    usual: dict[str, Any] = {
        "event": "spindle_failure",
        "subject": "M1",
        "happened_at": clock.at(2026, 10, 11, 12),
    }
    async with firm.story.database.transaction() as session:
        return await report_event(
            session, clock, firm.account.id, NewEvent(key, **{**usual, **values})
        )


async def test_events_of_all_sources_are_resolved_once(pumps: Contract) -> None:
    """M1 is a confirmed outcome that is also signed and reported; M2 is signed, M3 denied by the
    attester, M4 reversed, M5 reported as not come."""
    clock = pumps.firm.story.clock
    at = clock.at(2026, 10, 11, 12)
    for machine in ("M1", "M3", "M4"):
        made = await record_at(pumps.firm, at - timedelta(hours=48), subject=machine)
        said = {
            "outcome": f"W-{machine}",
            "subject": machine,
            "happened_at": at,
            "prediction": name_of(made),
        }
        outcome = await pumps.claims_by(await pumps.says("claim", "our_model", said))
        if machine == "M3":
            await pumps.denies(outcome)
        else:
            await pumps.confirms(outcome)
        if machine == "M4":
            await pumps.reverses(outcome)
    for machine in ("M1", "M2"):
        said = {"outcome": f"W-{machine}", "subject": machine, "happened_at": at}
        await pumps.says("event", "customer_system", said)
    await reported(pumps, "R-1")
    await reported(pumps, "R-5", subject="M5", happened=False)
    found = await scored(pumps)
    statuses = sorted((one.subject, one.status) for one in found.events)
    assert statuses == [
        ("M1", "confirmed"),
        ("M2", "missed"),
        ("M3", "denied"),
        ("M4", "denied"),
        ("M5", "denied"),
    ]
    assert (found.total.assessment.events, found.total.assessment.hits) == (2, 1)
    few = await scored(pumps, subject="M1")
    assert [one.status for one in few.events] == ["confirmed"]
    shown = ledger_scores_json(
        ScoreRequest("spindle_failure", Period(at, at + timedelta(days=1))), found
    )
    assert (shown["total"]["hits"], shown["total"]["missed"]) == (1, 1)
    assert "paid" not in shown["total"]


async def test_scores_are_grouped_by_model_and_agent(pumps: Contract) -> None:
    at = pumps.firm.story.clock.at(2026, 10, 9, 12)
    await record_at(pumps.firm, at)
    await record_at(pumps.firm, at, agent=None, subject="M2", verdict=PredictionVerdict.NO)
    await reported(pumps, "W-1")
    found = await scored(pumps)
    rows = [(one.model, one.agent, one.scores.records) for one in found.by_forecaster]
    assert rows == [("vib", None, 1), ("vib", "pump-monitor", 1)]
    firm = pumps.firm
    async with firm.story.database.transaction() as session:
        assert await list_event_kinds(session, firm.account.id) == ["spindle_failure"]
        (row,) = await list_reports(session, firm.account.id, 10)
    assert report_json(row)["business_key"] == "W-1"


async def test_period_in_the_future_has_no_records(pumps: Contract) -> None:
    found = await scored(pumps, first=25)
    assert (found.total.records, found.total.assessment.events) == (0, 0)


@pytest.mark.parametrize(
    "values", [{"event": "Bad event"}, {"first": 31, "last": 1}], ids=["event", "range"]
)
async def test_invalid_request_is_refused(pumps: Contract, values: dict[str, Any]) -> None:
    with pytest.raises(PredictionInvalid):
        await scored(pumps, **values)


async def test_too_many_records_are_refused(
    pumps: Contract, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(score_query, "MAX_SCORED", 0)
    await record_at(pumps.firm, pumps.firm.story.clock.at(2026, 10, 9, 12))
    with pytest.raises(PredictionInvalid, match="shorter"):
        await scored(pumps)


async def test_report_is_recorded_once_and_checked(pumps: Contract) -> None:
    first = await reported(pumps, "W-1")
    assert (await reported(pumps, "W-1")).id == first.id
    with pytest.raises(PredictionConflict):
        await reported(pumps, "W-1", happened=False)
    now = pumps.firm.story.clock.now()
    for values in (
        {"event": "X"},
        {"subject": ""},
        {"happened_at": now.replace(tzinfo=None)},
        {"happened_at": now + timedelta(seconds=1)},
    ):
        with pytest.raises(PredictionInvalid):
            await reported(pumps, "W-2", **values)
    with pytest.raises(PredictionInvalid):
        await reported(pumps, "\n")
