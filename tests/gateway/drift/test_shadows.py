"""Shadow deployments: unseen answers, waived usage, limits, busy models, report, promotion."""

from datetime import timedelta
from typing import Any

from sqlalchemy import text

from gateway.call.values import ServiceTier
from gateway.identity.audit_log import list_account_entries
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.customers import Customer, another
from tests.support.gateway.errors import error_of
from tests.support.gateway.own_rows import called, observed, predicted, prepared, report, start
from tests.support.nightly import nightly


async def shadow(customer: Customer, name: str) -> dict[str, Any]:
    found: dict[str, Any] = (await customer.gateway.http.get(f"/v1/models/{name}/shadow")).json()
    return found


async def predictions(customer: Customer, count: int) -> list[dict[str, Any]]:
    """The usage rows of predictions, of so many calls with linked ones, beside two trainings."""
    rows = await customer.gateway.rows(2 + count)
    return [row for row in rows if row["operation"] == "predictions"]


async def test_candidate_answers_unseen_and_costs_nothing(
    customer: Customer, upstream: FakeUpstream
) -> None:
    name = await prepared(customer, upstream)
    started = await start(customer, name)
    assert (started["status"], started["candidate"]) == ("running", f"{name}:2")
    answer = await called(customer, name)
    assert answer["predictions"][0]["value"] == -6.0
    found = await shadow(customer, name)
    assert (found["rows"], found["failed_calls"]) == (40, 0)
    assert found["agreement"] == 0.0
    assert found["typical_difference"] == 5.0
    rows = await predictions(customer, 2)
    assert sorted(row["settlement"] for row in rows) == ["complete", "waived"]
    (waived,) = [row for row in rows if row["settlement"] == "waived"]
    assert float(waived["cost"]) == 0
    assert waived["tags"]["variant_version"] == "2"
    assert waived["tags"]["shadow"] == started["id"]
    async with customer.gateway.parts.database.transaction() as session:
        parent = text("select parent_id from usage where settlement = 'waived'")
        (parent_id,) = (await session.execute(parent)).scalars()
    assert answer["request_id"] == f"req_{parent_id.hex}"


async def test_limit_of_rows_ends_the_deployment(
    customer: Customer, upstream: FakeUpstream
) -> None:
    name = await prepared(customer, upstream)
    await start(customer, name, max_rows=50)
    await called(customer, name)
    await called(customer, name)
    found = await shadow(customer, name)
    assert (found["rows"], found["status"]) == (50, "completed")
    await called(customer, name)
    assert (await shadow(customer, name))["rows"] == 50


@nightly
async def test_large_call_stores_a_part_of_its_rows(
    customer: Customer, upstream: FakeUpstream
) -> None:
    name = await prepared(customer, upstream)
    await start(customer, name)
    await called(customer, name, rows=300)
    assert (await shadow(customer, name))["rows"] == 100


async def test_busy_model_gets_no_shadow_call(customer: Customer, upstream: FakeUpstream) -> None:
    name = await prepared(customer, upstream)
    await start(customer, name)
    parts = customer.gateway.parts
    scheduler = parts.own_models.shadow_calls._schedulers.for_model(customer.model)
    # Of two slots one is kept free of shadow calls, so that one running call makes the model busy.
    scheduler.resize(2)
    async with scheduler.slot(ServiceTier.DEFAULT):
        await called(customer, name)
    assert (await shadow(customer, name))["rows"] == 0
    await called(customer, name)
    assert (await shadow(customer, name))["rows"] == 40


@nightly
async def test_calls_of_another_version_and_of_other_models_have_no_shadow(
    customer: Customer, upstream: FakeUpstream
) -> None:
    name = await prepared(customer, upstream)
    await start(customer, name)
    await called(customer, f"{name}:2")
    assert (await shadow(customer, name))["rows"] == 0
    assert [row["settlement"] for row in await predictions(customer, 1)] == ["complete"]


async def test_failing_candidate_is_counted_and_the_client_gets_its_answer(
    customer: Customer, upstream: FakeUpstream
) -> None:
    name = await prepared(customer, upstream)
    await start(customer, name)
    answers = upstream.outputs

    def fails_for_candidate(model: str, request: dict[str, Any]) -> dict[str, list[Any]]:
        assert answers is not None
        return {"value": [1.0]} if model.endswith(":2") else answers(model, request)

    upstream.outputs = fails_for_candidate
    answer = await called(customer, name)
    assert len(answer["predictions"]) == 40
    found = await shadow(customer, name)
    assert (found["rows"], found["failed_calls"], found["agreement"]) == (0, 1, None)


@nightly
async def test_observed_results_need_no_prediction_and_show_the_better_version(
    customer: Customer, upstream: FakeUpstream
) -> None:
    name = await prepared(customer, upstream)
    await start(customer, name)
    results = [
        {key: value for key, value in one.items() if key != "prediction"}
        for one in observed(await called(customer, name))
    ]
    assert (await report(customer, results)).json()["saved"] == 40
    found = (await shadow(customer, name))["observed"]
    assert (found["rows"], found["metric"], found["clusters"]) == (40, "RMSE", "machine")
    assert (found["current"]["score"], found["candidate"]["score"]) == (6.0, 1.0)
    assert found["candidate_is"] == "better"


async def test_promotion_changes_the_version_and_is_audited(
    customer: Customer, upstream: FakeUpstream
) -> None:
    name = await prepared(customer, upstream)
    await start(customer, name)
    promoted = await customer.gateway.http.post(f"/v1/models/{name}/shadow/promote")
    assert promoted.json()["status"] == "promoted"
    assert (await predicted(customer, name))["predictions"][0]["value"] == -1.0
    again = await customer.gateway.http.delete(f"/v1/models/{name}/shadow")
    assert (again.status_code, error_of(again)["code"]) == (409, "shadow_over")
    async with customer.gateway.parts.database.transaction() as session:
        entries = await list_account_entries(session, customer.gateway.account.id)
    actions = [entry.action for entry in entries if entry.action.startswith("model.")]
    assert actions == ["model.activated", "model.shadow_started", "model.activated"]


@nightly
async def test_stopped_deployment_keeps_its_report_and_another_can_start(
    customer: Customer, upstream: FakeUpstream
) -> None:
    name = await prepared(customer, upstream)
    await start(customer, name)
    second = await customer.gateway.http.post(f"/v1/models/{name}/shadow", json={"version": 2})
    assert (second.status_code, error_of(second)["code"]) == (409, "shadow_running")
    await called(customer, name)
    stopped = await customer.gateway.http.delete(f"/v1/models/{name}/shadow")
    assert (stopped.json()["status"], stopped.json()["rows"]) == ("stopped", 40)
    await start(customer, name)
    assert (await shadow(customer, name))["rows"] == 0


async def test_invalid_deployment_is_refused(customer: Customer, upstream: FakeUpstream) -> None:
    name = await prepared(customer, upstream)
    invalid: tuple[tuple[dict[str, Any], int], ...] = (
        ({"version": 9}, 404),
        ({"version": 1}, 400),
        ({"share": 0}, 400),
        ({"share": 1.5}, 400),
        ({"max_rows": 20_001}, 400),
        ({"days": 31}, 400),
    )
    for fields, status in invalid:
        body = {"version": 2, **fields}
        refused = await customer.gateway.http.post(f"/v1/models/{name}/shadow", json=body)
        assert refused.status_code == status, fields


async def test_deployment_of_another_account_is_not_found(
    customer: Customer, upstream: FakeUpstream
) -> None:
    name = await prepared(customer, upstream)
    await start(customer, name)
    async with another(customer.gateway) as openai:
        headers = {"authorization": f"Bearer {openai.api_key}"}
    http = customer.gateway.http
    address = f"/v1/models/{name}/shadow"
    for method, path in (("GET", ""), ("POST", "/promote"), ("DELETE", "")):
        refused = await http.request(method, f"{address}{path}", headers=headers)
        assert refused.status_code == 404
    body = {"version": 2}
    assert (await http.post(address, json=body, headers=headers)).status_code == 404


@nightly
async def test_deleted_model_takes_its_deployment_along(
    customer: Customer, upstream: FakeUpstream
) -> None:
    name = await prepared(customer, upstream)
    await start(customer, name)
    await called(customer, name)
    await customer.openai.models.delete(name)
    async with customer.gateway.parts.database.transaction() as session:
        for table in ("shadow_deployment", "shadow_answer"):
            left = await session.execute(text(f"select count(*) from {table}"))
            assert left.scalar_one() == 0


@nightly
async def test_time_limit_ends_the_deployment(customer: Customer, upstream: FakeUpstream) -> None:
    name = await prepared(customer, upstream)
    await start(customer, name)
    async with customer.gateway.parts.database.transaction() as session:
        earlier = text("update shadow_deployment set ends_at = ends_at - :days")
        await session.execute(earlier, {"days": timedelta(days=8)})
    assert (await shadow(customer, name))["status"] == "completed"
    await called(customer, name)
    assert (await shadow(customer, name))["rows"] == 0
