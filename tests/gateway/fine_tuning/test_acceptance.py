"""Models that scored worse than their base: kept, accepted, billed, erased in time."""

from datetime import timedelta
from typing import Any

import httpx
import pytest
from openai import APIStatusError
from sqlalchemy import text

from gateway.fine_tuning import acceptance
from gateway.identity.audit_log import list_account_entries
from tests.support.builders import CATALOG, REMAINING_LIFE
from tests.support.clocks import ShiftedClock
from tests.support.fakes.learner import SECONDS
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.customers import Customer, another, code_of
from tests.support.gateway.errors import error_of
from tests.support.nightly import nightly

PRICE = CATALOG.models[REMAINING_LIFE].prices["CNY"]["adaptation_seconds"]
WORSE = "12"


async def accept(customer: Customer, job_id: str, **headers: str) -> httpx.Response:
    address = f"/v1/fine_tuning/jobs/{job_id}/accept"
    answer: httpx.Response = await customer.gateway.http.post(address, headers=headers)
    return answer


async def forget_candidates(customer: Customer) -> int:
    """Erase expired candidates as if the lifetime had passed; returns how many models remain."""
    parts = customer.gateway.parts
    later = ShiftedClock()
    later.to(later.now() + acceptance.CANDIDATE_LIFETIME + timedelta(minutes=1))
    async with parts.database.transaction() as session:
        await acceptance.erase_expired_candidates(session, later)
        remaining = await session.execute(text("select count(*) from variant"))
        return int(remaining.scalar_one())


async def events_of(customer: Customer, job: Any) -> list[str]:
    found = await customer.openai.fine_tuning.jobs.list_events(job.id)
    return [event.message for event in reversed(found.data)]


async def test_accepted_model_is_billed_and_answers_without_training_again(
    customer: Customer, upstream: FakeUpstream
) -> None:
    job = await customer.adapts(WORSE)
    assert (job.error.code, job.score["adapted"]) == ("adaptation_worse", 12)
    assert job.candidate_expires_at > job.finished_at
    queued = (await accept(customer, job.id)).json()
    assert (queued["status"], queued["error"]) == ("queued", None)
    done = await customer.ended(job.id)
    assert (done.status, done.score["adapted"]) == ("succeeded", 12)
    assert done.accepted_by == f"key_{customer.gateway.key.row.id.hex}"
    assert done.candidate_expires_at is None
    assert (await customer.predicts(done.fine_tuned_model)).status_code == 200
    assert len(upstream.learner.files) == 1
    refused, billed, _ = sorted(await customer.gateway.rows(3), key=lambda row: row["request_id"])
    assert (refused["settlement"], refused["cost"]) == ("refused", "0.000000000")
    assert billed["request_id"] == done.usage_id
    assert (billed["adaptation_seconds"], billed["tags"]["variant"]) == (
        SECONDS,
        done.fine_tuned_model,
    )
    assert billed["cost"] == f"{SECONDS * PRICE / 1e9:.9f}"


async def test_acceptance_is_audited_with_key_and_scores(customer: Customer) -> None:
    job = await customer.adapts(WORSE)
    await accept(customer, job.id)
    gateway = customer.gateway
    async with gateway.parts.database.transaction() as session:
        entries = await list_account_entries(session, gateway.account.id)
    (entry,) = [entry for entry in entries if entry.action == "model.accepted"]
    assert entry.subject == "line-3"
    assert entry.details == {
        "model": REMAINING_LIFE,
        "metric": "RMSE in cycles",
        "score": "12",
        "base_score": "10",
        "key": f"key_{gateway.key.row.id.hex}",
    }


async def test_repeated_acceptance_bills_once(customer: Customer) -> None:
    job = await customer.adapts(WORSE)
    answers = [await accept(customer, job.id, **{"idempotency-key": "a"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    again = await accept(customer, job.id)
    assert (again.status_code, error_of(again)["code"]) == (409, "fine_tuning_job_not_rejected")
    await customer.ended(job.id)
    rows = await customer.gateway.rows(2)
    assert sorted(row["settlement"] for row in rows) == ["complete", "refused"]


@pytest.mark.parametrize("do", ["8", "fault"])
async def test_job_that_was_not_rejected_cannot_be_accepted(customer: Customer, do: str) -> None:
    job = await customer.adapts(do)
    answer = await accept(customer, job.id)
    assert (answer.status_code, error_of(answer)["code"]) == (409, "fine_tuning_job_not_rejected")
    assert job.candidate_expires_at is None


async def test_another_account_cannot_accept(customer: Customer) -> None:
    job = await customer.adapts(WORSE)
    async with another(customer.gateway) as openai:
        with pytest.raises(APIStatusError) as caught:
            await openai.post(f"/fine_tuning/jobs/{job.id}/accept", cast_to=object)
    assert (caught.value.status_code, code_of(caught.value)) == (404, "fine_tuning_job_not_found")


async def test_candidate_is_erased_after_its_lifetime(customer: Customer) -> None:
    job = await customer.adapts(WORSE)
    assert await forget_candidates(customer) == 0
    answer = await accept(customer, job.id)
    assert (answer.status_code, error_of(answer)["code"]) == (409, "candidate_erased")


@nightly
async def test_live_version_is_not_erased_with_expired_candidates(customer: Customer) -> None:
    await customer.adapts()
    job = await customer.adapts(WORSE, suffix="other")
    await accept(customer, job.id)
    await customer.ended(job.id)
    assert await forget_candidates(customer) == 2


@nightly
async def test_oldest_candidate_over_the_limit_is_erased(
    customer: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acceptance, "MAX_CANDIDATES", 1)
    jobs = [await customer.adapts(WORSE, suffix=f"line-{number}") for number in range(2)]
    answers = [await accept(customer, job.id) for job in jobs]
    assert [answer.status_code for answer in answers] == [409, 200]
    assert error_of(answers[0])["code"] == "candidate_erased"


async def test_failed_acceptance_can_be_repeated(customer: Customer) -> None:
    job = await customer.adapts(WORSE)
    parts = customer.gateway.parts
    await parts.fine_tuning_runner.stop()
    await accept(customer, job.id)
    # Without a new epoch, so that the client can go on with its key.
    revoke = "update api_key set revoked_at = {}"
    async with parts.database.transaction() as session:
        await session.execute(text(revoke.format("now()")))
    await parts.fine_tuning_runner.start()
    failed = await customer.ended(job.id)
    assert (failed.status, failed.accepted_at) == ("failed", None)
    assert failed.error.code == "api_key_revoked"
    async with parts.database.transaction() as session:
        await session.execute(text(revoke.format("null")))
    assert (await accept(customer, job.id)).status_code == 200
    assert (await customer.ended(job.id)).status == "succeeded"
