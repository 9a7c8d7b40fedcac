"""Fine-tuning jobs of specialists through the official client: results, cost, cancellation."""

import asyncio

import pytest
from openai import APIStatusError
from sqlalchemy import text

from tests.support.builders import (
    CATALOG,
    REMAINING_LIFE,
    Limited,
    credit,
    parts_like,
    serve,
)
from tests.support.fakes.learner import SECONDS
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.customers import Customer, another, client, code_of
from tests.support.gateway.machines import machines
from tests.support.nightly import at_length
from tests.support.waiting import until_true

PRICE = CATALOG.models[REMAINING_LIFE].prices["CNY"]["adaptation_seconds"]


class TestFineTuningJobs:
    async def test_succeeded_job_creates_a_model_and_is_billed_by_the_second(
        self, customer: Customer, upstream: FakeUpstream
    ) -> None:
        job = await customer.adapts()
        account = job.organization_id
        assert job.status == "succeeded"
        assert job.fine_tuned_model == f"ft:{REMAINING_LIFE}:{account}:line-3"
        assert job.score["base"] == 10
        assert job.score["adapted"] == 8
        row = await customer.gateway.row()
        assert row["request_id"] == job.usage_id
        assert row["operation"] == "adaptation"
        assert row["adaptation_seconds"] == SECONDS
        assert row["cost"] == f"{SECONDS * PRICE / 1e9:.9f}"
        assert upstream.learner.files == [machines("8")]

    async def test_job_events_are_listed_and_paged(self, customer: Customer) -> None:
        job = await customer.adapts()
        events = await customer.openai.fine_tuning.jobs.list_events(job.id)
        said = [event.message for event in reversed(events.data)]
        assert said[0] == "The job is queued."
        assert "3 machines were read." in said
        assert said[-1] == f"Version 1 of {job.fine_tuned_model} is ready for calls."
        few = await customer.openai.fine_tuning.jobs.list_events(job.id, limit=1)
        assert few.has_more
        rest = await customer.openai.fine_tuning.jobs.list_events(job.id, after=few.data[0].id)
        assert len(rest.data) == len(events.data) - 1

    async def test_jobs_are_listed_newest_first_and_paged(self, customer: Customer) -> None:
        ids = [(await customer.adapts(suffix=f"line-{number}")).id for number in range(3)]
        found = await customer.openai.fine_tuning.jobs.list(limit=2)
        assert [job.id for job in found.data] == [ids[2], ids[1]]
        assert found.has_more
        more = await customer.openai.fine_tuning.jobs.list(after=ids[1])
        assert [job.id for job in more.data] == [ids[0]]

    @pytest.mark.parametrize(
        ("do", "code"),
        [
            ("12", "adaptation_worse"),
            ("fault", "invalid_training_file"),
        ],
    )
    async def test_worse_model_or_invalid_file_fails_the_job_without_charge(
        self, customer: Customer, do: str, code: str
    ) -> None:
        job = await customer.adapts(do)
        assert job.status == "failed"
        assert job.error.code == code
        assert job.fine_tuned_model is None
        row = await customer.gateway.row()
        assert (row["settlement"], row["cost"]) == ("refused", "0.000000000")
        assert (await customer.openai.models.list()).data[-1].id in CATALOG.models

    async def test_model_as_good_as_its_base_succeeds(self, customer: Customer) -> None:
        assert (await customer.adapts("10")).status == "succeeded"

    @pytest.mark.parametrize("do", at_length(["die", "rubbish", "nothing"], ["die"]))
    async def test_failing_training_server_is_tried_three_times_unbilled(
        self, customer: Customer, do: str
    ) -> None:
        job = await customer.adapts(do)
        assert job.status == "failed"
        assert (
            "not billed"
            in (await customer.openai.fine_tuning.jobs.list_events(job.id)).data[0].message
        )
        rows = await customer.gateway.rows(3)
        assert {row["settlement"] for row in rows} == {"platform_fault"}

    async def test_job_cancelled_during_training_is_not_charged(
        self, customer: Customer, upstream: FakeUpstream
    ) -> None:
        job = await customer.asks("hang")
        await upstream.learner.learning.wait()
        cancelled = await customer.openai.fine_tuning.jobs.cancel(job.id)
        assert cancelled.status == "cancelled"
        row = await customer.gateway.row()
        assert (row["settlement"], row["cost"]) == ("refused", "0.000000000")
        assert upstream.learner.cancelled == 1
        with pytest.raises(APIStatusError) as caught:
            await customer.openai.fine_tuning.jobs.cancel(job.id)
        assert (caught.value.status_code, code_of(caught.value)) == (409, "fine_tuning_job_over")

    async def test_queued_job_is_cancelled_before_training(
        self, customer: Customer, upstream: FakeUpstream
    ) -> None:
        first = await customer.asks("hang")
        await upstream.learner.learning.wait()
        second = await customer.asks("8")
        await customer.openai.fine_tuning.jobs.cancel(second.id)
        await customer.openai.fine_tuning.jobs.cancel(first.id)
        await customer.gateway.row()
        assert len(upstream.learner.files) == 1

    async def test_other_process_resumes_the_job_of_a_stopped_process(
        self, customer: Customer, upstream: FakeUpstream
    ) -> None:
        other = parts_like(customer.gateway)
        await customer.gateway.parts.fine_tuning_runner.stop()
        async with serve(other):
            job = await customer.asks("hang")
            await upstream.learner.learning.wait()
            upstream.learner.learning.clear()
        await customer.gateway.parts.fine_tuning_runner.start()
        await upstream.learner.learning.wait()
        await customer.openai.fine_tuning.jobs.cancel(job.id)
        assert len(upstream.learner.files) == 2


class TestJobCreation:
    async def test_auto_hyperparameters_metadata_and_seed_are_accepted(
        self, customer: Customer
    ) -> None:
        job = await customer.asks(
            hyperparameters={"n_epochs": "auto"},
            method={"type": "supervised", "supervised": {"hyperparameters": {}}},
            metadata={"order": "A-17"},
            seed=4,
        )
        assert (job.metadata, job.seed) == ({"order": "A-17"}, 4)

    async def test_repeated_idempotency_key_creates_one_job(self, customer: Customer) -> None:
        file = await customer.sends()
        body = {"model": REMAINING_LIFE, "training_file": file}
        headers = {"idempotency-key": "first"}
        first, again = [
            (
                await customer.gateway.http.post("/v1/fine_tuning/jobs", json=body, headers=headers)
            ).json()
            for _ in range(2)
        ]
        assert first["id"] == again["id"]
        await customer.ended(first["id"])
        assert len((await customer.openai.fine_tuning.jobs.list()).data) == 1

    async def test_job_beyond_ten_unfinished_is_rejected_with_429(
        self, customer: Customer, upstream: FakeUpstream
    ) -> None:
        file = await customer.sends("hang")
        body = {"model": REMAINING_LIFE, "training_file": file}
        answers = [
            await customer.gateway.http.post("/v1/fine_tuning/jobs", json=body) for _ in range(11)
        ]
        assert [answer.status_code for answer in answers] == [200] * 10 + [429]
        for answer in answers[:10]:
            await customer.openai.fine_tuning.jobs.cancel(answer.json()["id"])

    async def test_job_without_credit_is_rejected(self, limited: Limited) -> None:
        async with limited(credit(10)) as gateway:
            async with client(gateway.url, gateway.key.secret) as openai:
                with pytest.raises(APIStatusError) as caught:
                    await Customer(gateway, openai).asks()
            assert code_of(caught.value) == "credit_exhausted"

    async def test_job_and_file_of_another_account_are_not_found(self, customer: Customer) -> None:
        job = await customer.adapts()
        async with another(customer.gateway) as openai:
            theirs = openai.fine_tuning.jobs
            for call in (theirs.retrieve, theirs.cancel, theirs.list_events):
                with pytest.raises(APIStatusError) as caught:
                    await call(job.id)
                assert caught.value.status_code == 404
            assert (await theirs.list()).data == []
            with pytest.raises(APIStatusError) as caught:
                await theirs.create(model=REMAINING_LIFE, training_file=job.training_file)
            assert code_of(caught.value) == "file_not_found"


class TestInterruptedJobs:
    """Jobs whose process was lost, recovered from the state left in the database."""

    async def test_billed_job_goes_live_without_training_again(
        self, customer: Customer, upstream: FakeUpstream
    ) -> None:
        job = await customer.adapts()
        await self._as_if_killed(customer, before="live")
        await customer.ended(job.id)
        events = await customer.openai.fine_tuning.jobs.list_events(job.id, limit=2)
        assert [event.message for event in reversed(events.data)] == [
            "It goes on.",
            f"Version 1 of {job.fine_tuned_model} is ready for calls.",
        ]
        assert len(upstream.learner.files) == 1
        assert len(await customer.gateway.rows(1)) == 1

    async def test_unbilled_job_is_trained_again(
        self, customer: Customer, upstream: FakeUpstream
    ) -> None:
        job = await customer.adapts()
        await self._as_if_killed(customer, before="billed")
        again = await customer.ended(job.id)
        assert again.status == "succeeded"
        assert len(upstream.learner.files) == 2
        rows = await customer.gateway.rows(2)
        assert again.usage_id != job.usage_id
        assert {row["settlement"] for row in rows} == {"complete", "unknown"}

    async def test_job_interrupted_three_times_fails(
        self, customer: Customer, upstream: FakeUpstream
    ) -> None:
        job = await customer.adapts()
        await self._as_if_killed(customer, before="billed", attempts=3)
        again = await customer.ended(job.id)
        assert (again.status, again.error.code) == ("failed", "interrupted")
        assert len(upstream.learner.files) == 1

    async def test_billed_job_whose_publication_fails_for_its_sql_is_published_later(
        self, customer: Customer, upstream: FakeUpstream
    ) -> None:
        database = customer.gateway.parts.database
        requeued = customer.gateway.parts.metrics.own_models.trainings.labels(
            REMAINING_LIFE, "requeued"
        )

        async def is_requeued() -> bool:
            return requeued._value.get() > 0

        async with database.transaction() as session:
            refused = "alter table variant add constraint none_live check (live_at is null)"
            await session.execute(text(refused))
        try:
            job = await customer.asks()
            await until_true(is_requeued)
        finally:
            async with database.transaction() as session:
                await session.execute(text("alter table variant drop constraint none_live"))
        assert (await customer.ended(job.id)).status == "succeeded"
        assert len(upstream.learner.files) == 1
        (row,) = await customer.gateway.rows(1)
        assert row["settlement"] == "complete"

    async def test_process_that_lost_its_job_writes_and_bills_nothing(
        self, customer: Customer, upstream: FakeUpstream
    ) -> None:
        parts = customer.gateway.parts
        job = await customer.asks("hang")
        await upstream.learner.learning.wait()
        takes_over = "update adaptation set process_id = gen_random_uuid(), attempts = 2"
        async with parts.database.transaction() as session:
            await session.execute(text(takes_over))
        row = await customer.gateway.row()
        assert (row["settlement"], row["cost"]) == ("refused", "0.000000000")
        assert upstream.learner.cancelled == 1
        shown = await customer.openai.fine_tuning.jobs.retrieve(job.id)
        assert (shown.status, shown.error) == ("running", None)
        counted = parts.metrics.own_models.trainings.labels(REMAINING_LIFE, "lost")
        assert counted._value.get() == 1

    async def test_late_bill_of_an_attempt_that_lost_its_job_is_not_written(
        self, customer: Customer, upstream: FakeUpstream
    ) -> None:
        """The version is stored, and another process goes on before its usage row is durable."""
        parts, learner = customer.gateway.parts, upstream.learner
        other = parts_like(customer.gateway)
        # While its row is locked, a process can write no usage.
        process_row = text("select 1 from gateway_process where id = :id for update")
        learner.may_end.clear()
        async with serve(other):
            await other.fine_tuning_runner.stop()
            job = await customer.asks()
            await learner.learning.wait()
            learner.learning.clear()
            async with parts.database.transaction() as session:
                await session.execute(process_row, {"id": parts.heartbeat.process_id})
                learner.may_end.set()
                await self._is_stored(customer)
                learner.may_end.clear()
                await parts.fine_tuning_runner.stop()
                await other.fine_tuning_runner.start()
                await learner.learning.wait()
            learner.may_end.set()
            ended = await customer.ended(job.id)
        assert ended.status == "succeeded"
        # The process writes its rows in order: the one that waited is before that of this call.
        assert (await customer.predicts(ended.fine_tuned_model)).status_code == 200
        rows = {row["request_id"]: row for row in await customer.gateway.rows(3)}
        trainings = [row for row in rows.values() if row["operation"] == "adaptation"]
        assert {row["settlement"] for row in trainings} == {"complete", "unknown"}
        assert rows[ended.usage_id]["settlement"] == "complete"

    async def _is_stored(self, customer: Customer) -> None:
        """Wait until an attempt has stored its version."""
        async with asyncio.timeout(10):
            while True:
                async with customer.gateway.parts.database.transaction() as session:
                    if await session.scalar(text("select count(*) from variant")):
                        return
                await asyncio.sleep(0.01)

    async def _as_if_killed(self, customer: Customer, before: str, attempts: int = 1) -> None:
        """Set the job's rows as a process leaves them that is killed before the step."""
        parts = customer.gateway.parts
        await parts.fine_tuning_runner.stop()
        async with parts.database.transaction() as session:
            await session.execute(
                text(
                    "update adaptation set status = 'running', finished_at = null, "
                    "attempts = :attempts"
                ),
                {"attempts": attempts},
            )
            await session.execute(text("update variant set current = false, live_at = null"))
            if before == "billed":
                # As the reaper settles a call whose process was lost. Usage rows cannot be changed
                # except in replica mode.
                await session.execute(text("set local session_replication_role = replica"))
                await session.execute(
                    text("update usage set settlement = 'unknown', cost_nano = 0")
                )
        await parts.fine_tuning_runner.start()
