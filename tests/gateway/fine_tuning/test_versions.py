"""Versions of a fine-tuned model: rollback, changes, and which version a call is recorded with."""

from typing import Any

import pytest
from openai import APIStatusError

from gateway.identity.audit_log import list_account_entries
from gateway.registry.activations import rollback_target
from gateway.tables import ActivationReason, VariantActivation
from infra import ids
from infra.clock import SystemClock
from tests.gateway.fine_tuning.variants import adapted, version
from tests.support.gateway.customers import Customer, another, code_of
from tests.support.gateway.errors import error_of


async def trained(customer: Customer, count: int) -> str:
    """The name of a variant with so many versions."""
    name = await adapted(customer)
    for _ in range(count - 1):
        await customer.adapts()
    await version(customer, name, count)
    return name


async def roll_back(customer: Customer, name: str, **headers: str) -> Any:
    return await customer.gateway.http.post(f"/v1/models/{name}/rollback", headers=headers)


async def read(customer: Customer, name: str, what: str) -> list[dict[str, Any]]:
    answer = await customer.gateway.http.get(f"/v1/models/{name}/{what}")
    assert answer.status_code == 200, answer.text
    rows: list[dict[str, Any]] = answer.json()["data"]
    return rows


async def test_rollbacks_go_back_one_version_each_and_calls_name_theirs(customer: Customer) -> None:
    name = await trained(customer, 3)
    for expected in (2, 1):
        answer = await roll_back(customer, name)
        assert (answer.status_code, answer.json()["version"]) == (200, expected)
        await version(customer, name, expected)
        assert (await customer.predicts(name)).status_code == 200
    refused = await roll_back(customer, name)
    assert (refused.status_code, error_of(refused)["code"]) == (409, "no_previous_version")
    await customer.predicts(f"{name}:3")
    rows = await customer.gateway.rows(6)
    tags = [row["tags"] for row in rows if row["operation"] == "predictions"]
    assert sorted(tag["variant_version"] for tag in tags) == ["1", "2", "3"]
    assert {tag["variant"] for tag in tags} == {name}


async def test_changes_are_listed_and_audited(customer: Customer) -> None:
    name = await trained(customer, 2)
    await roll_back(customer, name)
    await customer.gateway.http.put(f"/v1/models/{name}/current", json={"version": 1})
    key = f"key_{customer.gateway.key.row.id.hex}"
    changes = await read(customer, name, "activations")
    shown = [(one["version"], one["previous_version"], one["reason"]) for one in changes]
    assert shown == [(1, 2, "rollback"), (2, 1, "trained"), (1, None, "trained")]
    assert [one["activated_by"] for one in changes] == [key, None, None]
    gateway = customer.gateway
    async with gateway.parts.database.transaction() as session:
        entries = await list_account_entries(session, gateway.account.id)
    (entry,) = [entry for entry in entries if entry.action.startswith("model.")]
    assert (entry.action, entry.subject) == ("model.rolled_back", "line-3")
    assert entry.details == {"from": {"version": 2}, "to": {"version": 1}, "key": key}


async def test_versions_are_listed_with_score_and_job(customer: Customer) -> None:
    name = await adapted(customer)
    job = await customer.adapts("9")
    newest, oldest = await read(customer, name, "versions")
    assert (newest["version"], newest["current"], oldest["current"]) == (2, True, False)
    assert newest["fine_tuning_job"] == job.id
    assert (newest["score"]["adapted"], oldest["score"]["adapted"]) == (9, 8)
    assert newest["id"] == f"{name}:2"


async def test_repeated_rollback_with_one_key_goes_back_once(customer: Customer) -> None:
    name = await trained(customer, 3)
    answers = [await roll_back(customer, name, **{"idempotency-key": "a"}) for _ in range(2)]
    assert [answer.json()["version"] for answer in answers] == [2, 2]


async def test_versions_of_another_account_are_not_found(customer: Customer) -> None:
    name = await adapted(customer)
    async with another(customer.gateway) as openai:
        for what in ("versions", "activations", "deletions"):
            with pytest.raises(APIStatusError) as caught:
                await openai.get(f"/models/{name}/{what}", cast_to=object)
            assert (caught.value.status_code, code_of(caught.value)) == (404, "model_not_found")
        with pytest.raises(APIStatusError) as caught:
            await openai.post(f"/models/{name}/rollback", cast_to=object)
        assert caught.value.status_code == 404


async def test_version_tag_of_the_gateway_cannot_be_sent(customer: Customer) -> None:
    headers = {"x-maas-tags": "variant_version=9"}
    body = {"model": customer.model, "instances": [{"T24": [1.0, 2.0]}]}
    answer = await customer.gateway.http.post("/v1/predictions", json=body, headers=headers)
    assert (answer.status_code, error_of(answer)["param"]) == (400, "X-Maas-Tags")


@pytest.mark.parametrize(
    ("history", "current", "live", "target"),
    [
        ("t1 t2 t3", 3, {1, 2, 3}, 2),
        ("t1 t2 t3 r2", 2, {1, 2, 3}, 1),
        ("t1 t2 t3 r2 r1", 1, {1, 2, 3}, None),
        ("t1 t2 t3 r2 c3", 3, {1, 2, 3}, 2),
        ("t1 t2 t3 c1", 1, {1, 2, 3}, 3),
        ("t1 t2 t3", 3, {1, 3}, 1),
        ("", 2, {1, 2, 3}, 1),
        ("c1", 1, {1, 2}, None),
        ("t3", 3, {1, 2, 3}, 2),
    ],
)
def test_rollback_target_is_the_version_before_the_current_one(
    history: str, current: int, live: set[int], target: int | None
) -> None:
    """A history like `t1 c2 r1`: version 1 was trained, 2 chosen, and rolled back to 1."""
    reasons = {reason.value[0]: reason for reason in ActivationReason}
    rows = [
        VariantActivation(
            id=ids.new_id(),
            account_id=ids.new_id(),
            base="base",
            name="name",
            version=int(word[1:]),
            reason=reasons[word[0]],
            at=SystemClock().now(),
        )
        for word in history.split()
    ]
    assert rollback_target(rows, current, frozenset(live)) == target
