"""Verified deletion of a fine-tuned model: what is erased, recorded and refused afterwards."""

import hashlib
from typing import Any

import pytest
from openai import NotFoundError
from sqlalchemy import text

from gateway.identity.audit_log import list_account_entries
from tests.gateway.fine_tuning.variants import adapted
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.customers import Customer
from tests.support.gateway.machines import machines
from tests.support.nightly import nightly
from tests.support.waiting import until_true


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


async def delete(customer: Customer, name: str, query: str = "") -> dict[str, Any]:
    answer = await customer.gateway.http.delete(f"/v1/models/{name}{query}")
    assert answer.status_code == 200, answer.text
    deletion: dict[str, Any] = answer.json()["deletion"]
    return deletion


async def answered(customer: Customer, name: str) -> dict[str, Any]:
    """The deletion of a model, once its model servers were asked."""
    found: list[dict[str, Any]] = []

    async def asked() -> bool:
        answer = await customer.gateway.http.get(f"/v1/models/{name}/deletions")
        found[:] = answer.json()["data"]
        return found[0]["model_servers"]["asked"] is not None

    await until_true(asked)
    return found[0]


async def test_deletion_states_versions_files_hashes_and_servers(
    customer: Customer, upstream: FakeUpstream
) -> None:
    name = await adapted(customer)
    job = await customer.adapts()
    await customer.predicts(name)
    told = await delete(customer, name, "?training_files=true")
    assert [one["version"] for one in told["versions"]] == [1, 2]
    assert told["versions"][1]["fine_tuning_job"] == job.id
    assert [one["sha256"] for one in told["versions"]] == [
        digest(b"variant 1"),
        digest(b"variant 2"),
    ]
    assert {one["sha256"] for one in told["training_files"]} == {digest(machines("8"))}
    assert told["deleted_by"] == f"key_{customer.gateway.key.row.id.hex}"
    later = await answered(customer, name)
    assert later["model_servers"] == {"asked": 1, "confirmed": 1}
    assert later["copies_erased_by"] is None
    assert (await customer.predicts(name)).status_code == 404
    with pytest.raises(NotFoundError):
        await customer.openai.files.retrieve(job.training_file)
    async with customer.gateway.parts.database.transaction() as session:
        kept = await session.execute(
            text("select count(*) from variant where artefact is not null")
        )
    assert kept.scalar_one() == 0
    assert not upstream.learner.variants


async def test_deletion_is_audited_with_hashes(customer: Customer) -> None:
    name = await adapted(customer)
    await delete(customer, name)
    gateway = customer.gateway
    async with gateway.parts.database.transaction() as session:
        entries = await list_account_entries(session, gateway.account.id)
    (entry,) = [entry for entry in entries if entry.action == "model.deleted"]
    assert entry.subject == "line-3"
    assert entry.details["versions"] == [f"1: sha256 {digest(b'variant 1')}"]
    assert entry.details["files"] == []


async def test_server_that_does_not_confirm_is_reported(
    customer: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = await adapted(customer)
    router = customer.gateway.parts.router
    monkeypatch.setattr(router, "server_urls", lambda _: ("http://127.0.0.1:9",))
    await delete(customer, name)
    later = await answered(customer, name)
    assert later["model_servers"] == {"asked": 1, "confirmed": 0}
    assert later["copies_erased_by"] == later["deleted_at"] + 86_400


@nightly
async def test_file_of_another_model_is_kept(customer: Customer) -> None:
    file = await customer.sends()
    for suffix in ("line-3", "line-4"):
        job = await customer.ended((await customer.asks_for(file, suffix=suffix)).id)
    told = await delete(customer, job.fine_tuned_model, "?training_files=true")
    assert told["training_files"] == []
    assert (await customer.openai.files.retrieve(file)).id == file
    other = job.fine_tuned_model.replace("line-4", "line-3")
    told = await delete(customer, other, "?training_files=true")
    assert [one["id"] for one in told["training_files"]] == [file]


async def test_rejected_candidate_is_erased_with_the_model(customer: Customer) -> None:
    name = await adapted(customer)
    job = await customer.adapts("12")
    told = await delete(customer, name)
    assert [one["version"] for one in told["versions"]] == [1, 2]
    answer = await customer.gateway.http.post(f"/v1/fine_tuning/jobs/{job.id}/accept")
    assert answer.status_code == 409


async def test_model_with_only_a_rejected_candidate_can_be_deleted(customer: Customer) -> None:
    job = await customer.adapts("12")
    name = f"ft:{customer.model}:{job.organization_id}:line-3"
    told = await delete(customer, name)
    assert [one["fine_tuning_job"] for one in told["versions"]] == [job.id]
