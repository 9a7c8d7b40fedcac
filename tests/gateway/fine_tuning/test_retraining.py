"""Scheduled retraining: due times, budget, exactly one job, verdict, notices, isolation."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from billing.notifications.alert_targets import update_alert_target
from gateway.retraining.runner import RetrainingDependencies, RetrainingRunner
from gateway.retraining.schedules import next_due
from gateway.retraining.verdict import is_better
from gateway.tables import RetrainingTrigger
from infra.clock import Clock
from tests.gateway.fine_tuning.variants import adapted, known
from tests.support.clocks import ShiftedClock
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.customers import Customer, another
from tests.support.gateway.errors import error_of
from tests.support.nightly import nightly

SCHEDULE = {"every": "week", "filename": "line.jsonl", "budget": "100", "automatic": True}


class Scheduled:
    """A customer's model with a schedule, and a runner of it whose clock a test sets."""

    def __init__(self, customer: Customer, name: str) -> None:
        self.customer, self.name = customer, name
        self.clock = ShiftedClock()

    @property
    def path(self) -> str:
        return f"/v1/models/{self.name}/retraining"

    async def set(self, **fields: Any) -> dict[str, Any]:
        answer = await self.customer.gateway.http.put(self.path, json={**SCHEDULE, **fields})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def shown(self) -> dict[str, Any]:
        found: dict[str, Any] = (await self.customer.gateway.http.get(self.path)).json()
        return found

    def runner(self, clock: Clock | None = None) -> RetrainingRunner:
        parts = self.customer.gateway.parts
        own = parts.own_models.retraining_runner._deps
        return RetrainingRunner(
            RetrainingDependencies(
                clock=clock or self.clock,
                database=own.database,
                heartbeat=own.heartbeat,
                planner=own.planner,
                fine_tuning=own.fine_tuning,
                metrics=own.metrics,
            )
        )

    async def a_week_later(self) -> dict[str, Any]:
        """Pass a week, start what is due, and wait until the run has ended. Returns the run."""
        self.clock.to(self.clock.now() + timedelta(days=8))
        await self.runner()._step()
        return await self.newest()

    async def newest(self) -> dict[str, Any]:
        """The newest run, once it has ended."""
        async with asyncio.timeout(20):
            while True:
                (run, *_) = (await self.shown())["runs"]
                if run["finished_at"] is not None:
                    found: dict[str, Any] = run
                    return found
                if run["fine_tuning_job"] is not None:
                    await self.customer.ended(run["fine_tuning_job"])
                await self.runner()._settle_next()

    async def notices(self) -> list[dict[str, Any]]:
        query = text("select payload from notification_event order by id")
        async with self.customer.gateway.parts.database.transaction() as session:
            return list((await session.execute(query)).scalars())


@pytest.fixture
async def scheduled(customer: Customer) -> Scheduled:
    """A model of score 8 whose customer has a webhook."""
    name = await adapted(customer)
    async with customer.gateway.parts.database.transaction() as session:
        account_id = customer.gateway.account.id
        await update_alert_target(session, account_id, "https://acme.example/hook")
    return Scheduled(customer, name)


async def test_better_version_is_used_at_once_if_that_is_allowed(scheduled: Scheduled) -> None:
    await scheduled.set()
    await scheduled.customer.sends("7")
    run = await scheduled.a_week_later()
    assert (run["status"], run["version"], run["trigger"]) == ("activated", 2, "schedule")
    versions = await scheduled.customer.gateway.http.get(f"/v1/models/{scheduled.name}/versions")
    assert [one["current"] for one in versions.json()["data"]] == [True, False]
    (notice,) = await scheduled.notices()
    assert (notice["type"], notice["data"]["status"]) == ("model.retrained", "activated")


@pytest.mark.parametrize(
    ("score", "automatic", "code"), [("7", False, "not_automatic"), ("9", True, "not_better")]
)
async def test_other_version_is_proposed_and_not_used(
    scheduled: Scheduled, score: str, automatic: bool, code: str
) -> None:
    await scheduled.set(automatic=automatic)
    await scheduled.customer.sends(score)
    run = await scheduled.a_week_later()
    assert (run["status"], run["version"], run["code"]) == ("proposed", 2, code)
    versions = await scheduled.customer.gateway.http.get(f"/v1/models/{scheduled.name}/versions")
    assert [one["current"] for one in versions.json()["data"]] == [False, True]
    answer = await scheduled.customer.predicts(f"{scheduled.name}:2")
    assert answer.status_code == 200


async def test_version_that_is_worse_than_the_base_is_rejected_and_not_billed(
    scheduled: Scheduled,
) -> None:
    await scheduled.set()
    await scheduled.customer.sends("11")
    run = await scheduled.a_week_later()
    assert (run["status"], run["code"], run["version"]) == ("rejected", "adaptation_worse", None)


async def test_schedule_without_a_new_file_trains_nothing_and_tells_nobody(
    scheduled: Scheduled, upstream: FakeUpstream
) -> None:
    await scheduled.set()
    run = await scheduled.a_week_later()
    assert (run["status"], run["code"]) == ("skipped", "no_new_data")
    assert len(upstream.learner.files) == 1
    assert await scheduled.notices() == []


async def test_one_trigger_starts_one_job_in_several_processes(
    scheduled: Scheduled, upstream: FakeUpstream
) -> None:
    await scheduled.set()
    await scheduled.customer.sends("7")
    scheduled.clock.to(scheduled.clock.now() + timedelta(days=8))
    await asyncio.gather(*(scheduled.runner()._start_next() for _ in range(4)))
    await scheduled.newest()
    assert len((await scheduled.shown())["runs"]) == 1
    assert len(upstream.learner.files) == 2


async def test_run_of_a_lost_process_is_settled_once(scheduled: Scheduled) -> None:
    await scheduled.set()
    await scheduled.customer.sends("7")
    await scheduled.a_week_later()
    assert await scheduled.runner()._settle_next() is False
    assert len(await scheduled.notices()) == 1


async def test_budget_limits_the_training_time_and_is_never_exceeded(
    scheduled: Scheduled, upstream: FakeUpstream
) -> None:
    assert float((await scheduled.set())["budget_left"]) == 100
    # Enough for a part of the longest training, and for twice the time of the last one.
    await scheduled.set(budget="0.5")
    await scheduled.customer.sends("7")
    run = await scheduled.a_week_later()
    assert run["status"] == "activated"
    assert float(run["max_cost"]) <= 0.5
    assert upstream.learner.seconds[-1] is not None
    shown = await scheduled.shown()
    assert 0 < float(shown["committed"]) <= float(run["max_cost"])


async def test_budget_that_covers_no_training_skips_and_tells(
    scheduled: Scheduled, upstream: FakeUpstream
) -> None:
    await scheduled.set(budget="0.000001")
    await scheduled.customer.sends("7")
    run = await scheduled.a_week_later()
    assert (run["status"], run["code"]) == ("skipped", "max_cost_exceeded")
    assert len(upstream.learner.files) == 1
    (notice,) = await scheduled.notices()
    assert notice["data"]["code"] == "max_cost_exceeded"


@nightly
async def test_used_up_budget_skips_until_the_next_month(scheduled: Scheduled) -> None:
    await scheduled.set()
    await scheduled.customer.sends("7")
    await scheduled.a_week_later()
    async with scheduled.customer.gateway.parts.database.transaction() as session:
        await session.execute(text("update retraining_schedule set budget_nano = 1"))
        await session.execute(text("update retraining_run set created_at = now()"))
    await scheduled.customer.sends("6")
    run = await scheduled.a_week_later()
    assert (run["status"], run["code"]) == ("skipped", "budget_exhausted")


async def test_missing_file_and_revoked_key_are_told(scheduled: Scheduled) -> None:
    await scheduled.set(filename="other.csv")
    run = await scheduled.a_week_later()
    assert (run["status"], run["code"]) == ("skipped", "file_not_found")
    assert [notice["data"]["code"] for notice in await scheduled.notices()] == ["file_not_found"]


@nightly
async def test_training_waits_while_too_many_jobs_are_open(
    scheduled: Scheduled, monkeypatch: pytest.MonkeyPatch
) -> None:
    await scheduled.set()
    await scheduled.customer.sends("7")
    scheduled.clock.to(scheduled.clock.now() + timedelta(days=8))
    runner = scheduled.runner()
    monkeypatch.setattr("gateway.fine_tuning.jobs.MAX_OPEN_JOBS", 0)
    assert await runner._start_next() is True
    assert await runner._start_next() is False
    assert (await scheduled.shown())["runs"] == []
    monkeypatch.undo()
    scheduled.clock.to(scheduled.clock.now() + timedelta(minutes=11))
    assert await runner._start_next() is True
    assert (await scheduled.newest())["status"] == "activated"


@nightly
async def test_current_version_outlives_many_proposals(
    scheduled: Scheduled, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.registry.variants.MAX_VERSIONS", 1)
    await scheduled.set()
    for score_ in ("9", "9.5"):
        await scheduled.customer.sends(score_)
        assert (await scheduled.a_week_later())["status"] == "proposed"
    versions = await scheduled.customer.gateway.http.get(f"/v1/models/{scheduled.name}/versions")
    shown = [(one["version"], one["current"]) for one in versions.json()["data"]]
    assert shown == [(3, False), (1, True)]


async def test_drift_starts_one_training_of_each_version(scheduled: Scheduled) -> None:
    await scheduled.set(every="drift")
    assert await scheduled.runner()._start_next() is False
    async with scheduled.customer.gateway.parts.database.transaction() as session:
        added = text(
            "insert into variant_drift (variant_id, account_id, reference, level) "
            "select id, account_id, '{}', 'significant' from variant"
        )
        await session.execute(added)
    await scheduled.customer.sends("9")
    await scheduled.runner()._start_next()
    run = await scheduled.newest()
    assert (run["trigger"], run["status"]) == ("drift", "proposed")
    assert await scheduled.runner()._start_next() is False


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"budget": "0"}, "budget"),
        ({"budget": "much"}, "budget"),
        ({"filename": None}, "file"),
        ({"file": "file_1"}, "file"),
        ({"every": "day"}, "every"),
    ],
)
async def test_invalid_schedule_is_refused(
    scheduled: Scheduled, fields: dict[str, Any], param: str
) -> None:
    body = {**SCHEDULE, **fields}
    refused = await scheduled.customer.gateway.http.put(scheduled.path, json=body)
    assert (refused.status_code, error_of(refused)["param"]) == (400, param)


async def test_schedule_of_another_account_is_not_found(scheduled: Scheduled) -> None:
    await scheduled.set()
    http = scheduled.customer.gateway.http
    async with another(scheduled.customer.gateway) as openai:
        headers = {"authorization": f"Bearer {openai.api_key}"}
    assert (await http.get(scheduled.path, headers=headers)).status_code == 404
    assert (await http.delete(scheduled.path, headers=headers)).status_code == 404
    refused = await http.put(scheduled.path, json=SCHEDULE, headers=headers)
    assert refused.status_code == 404
    assert (await http.delete(scheduled.path)).json()["deleted"] is True
    assert (await http.get(scheduled.path)).status_code == 404


async def test_deleted_model_is_not_trained_again(
    scheduled: Scheduled, upstream: FakeUpstream
) -> None:
    await scheduled.set()
    await scheduled.customer.sends("7")
    await scheduled.customer.openai.models.delete(scheduled.name)
    await known(scheduled.customer, scheduled.name, there=False)
    scheduled.clock.to(scheduled.clock.now() + timedelta(days=8))
    assert await scheduled.runner()._start_next() is False
    assert len(upstream.learner.files) == 1


@pytest.mark.parametrize(
    ("every", "previous", "now", "expected"),
    [
        ("week", "2026-11-02", "2026-11-02", "2026-11-09"),
        ("week", "2026-11-02", "2026-11-20", "2026-11-23"),
        ("month", "2026-01-31", "2026-01-31", "2026-02-28"),
        ("month", "2026-12-15", "2026-12-15", "2027-01-15"),
        ("month", "2026-01-15", "2026-04-20", "2026-05-15"),
    ],
)
def test_next_time_is_after_now_and_on_the_same_day(
    every: str, previous: str, now: str, expected: str
) -> None:
    days = [datetime.fromisoformat(day).replace(tzinfo=UTC) for day in (previous, now, expected)]
    assert next_due(RetrainingTrigger(every), days[0], days[1]) == days[2]
    assert next_due(RetrainingTrigger.DRIFT, days[0], days[1]) is None


def score(adapted: float, **fields: Any) -> dict[str, Any]:
    return {
        "metric": "RMSE, held out by machine",
        "base": 10.0,
        "adapted": adapted,
        "higher_is_better": False,
        **fields,
    }


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        (score(7.0), True),
        (score(8.0), False),
        (score(7.0, improvement=[0.5, 4.0]), True),
        (score(7.0, improvement=[-0.1, 4.0]), False),
        (score(7.0, base=6.0), False),
        (score(7.0, metric="MAE, held out by machine"), False),
        (score(7.0, metric="RMSE, held out by time"), True),
        (score(7.0, higher_is_better=True), False),
        (None, False),
    ],
)
def test_better_is_better_than_no_model_and_than_the_current_version(
    new: dict[str, Any] | None, expected: bool
) -> None:
    assert is_better(new, score(8.0)) is expected
    assert is_better(new, None) is False
