"""Observed results of predictions: saving, report by version, isolation, deletion, alerts."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from billing.notifications.alert_targets import update_alert_target
from gateway.observations.check import PromiseCheck
from gateway.observations.rows import RETENTION
from infra.database.database import Database
from infra.independent_steps import StepsFailed
from tests.support.clocks import ShiftedClock
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.customers import Customer, another
from tests.support.gateway.errors import error_of
from tests.support.gateway.own_rows import INPUTS, observed, predicted, report, trained
from tests.support.gateway.own_rows import OBSERVATIONS as PATH
from tests.support.nightly import at_length, nightly


async def figures(customer: Customer, name: str) -> list[dict[str, Any]]:
    answer = await customer.gateway.http.get(f"/v1/models/{name}/observations")
    assert answer.status_code == 200, answer.text
    data: list[dict[str, Any]] = answer.json()["data"]
    return data


async def test_versions_have_their_own_scores_and_coverage(
    customer: Customer, upstream: FakeUpstream
) -> None:
    name = await trained(customer, upstream)
    for version in (1, 2):
        saved = await report(customer, observed(await predicted(customer, f"{name}:{version}")))
        assert saved.json() == {"object": "feedback.observations", "saved": 40}
    newest, oldest = await figures(customer, name)
    assert (newest["version"], newest["current"], newest["score"]) == (2, True, 1.0)
    assert (newest["metric"], newest["rows"], newest["clusters"]) == ("RMSE", 40, "machine")
    assert newest["promise"]["nominal"] == 0.9
    assert (newest["promise"]["observed"], newest["promise"]["kept"]) == (1.0, True)
    assert (oldest["score"], oldest["promise"]["observed"]) == (6.0, 0.0)
    assert oldest["promise"]["kept"] is False
    (week,) = newest["weeks"]
    assert (week["rows"], week["mean_error"], week["kept_share"]) == (40, 0.0, 1.0)


async def test_repeated_result_replaces_and_deleted_one_is_gone(
    customer: Customer, upstream: FakeUpstream
) -> None:
    name = await trained(customer, upstream, versions=1)
    answer = await predicted(customer, name)
    await report(customer, observed(answer))
    await report(customer, observed(answer, off=100.0))
    (only,) = await figures(customer, name)
    assert only["rows"] == 40
    assert only["mean_error"] == pytest.approx(-100)
    deleted = await customer.gateway.http.delete(f"{PATH}/{answer['request_id']}")
    assert deleted.json()["deleted"] == 40
    assert [one["rows"] for one in await figures(customer, name)] == [0]


async def test_classes_are_calibrated(customer: Customer, upstream: FakeUpstream) -> None:
    name = await trained(customer, upstream, versions=1)
    upstream.outputs = lambda _name, request: {
        "class": ["ok"] * len(request["inputs"][0]["data"]),
        "probability": [0.75] * len(request["inputs"][0]["data"]),
    }
    answer = await predicted(customer, name)
    results = observed(answer)
    for one in results:
        one["observed"] = "ok" if one["row"] % 4 else "faulty"
    await report(customer, results)
    (only,) = await figures(customer, name)
    assert only["metric"] == "macro-F1"
    (one,) = only["calibration"]
    assert (one["probability"], one["observed"], one["rows"]) == (0.75, 0.75, 40)
    assert only["promise"]["kept"] is True


@pytest.mark.parametrize(
    "probability",
    at_length(
        [-0.1, 1.01, 75, 1e308, pytest.param(10**400, id="huge"), "0.9", None, True],
        [1.01, pytest.param(10**400, id="huge"), "0.9"],
    ),
)
async def test_number_that_is_no_probability_counts_as_not_stated(
    customer: Customer, upstream: FakeUpstream, probability: Any
) -> None:
    name = await trained(customer, upstream, versions=1)
    (first, *_) = observed(await predicted(customer, name))
    prediction = {"class": "ok", "probability": probability}
    saved = await report(customer, [{**first, "observed": "ok", "prediction": prediction}])
    assert saved.status_code == 200, saved.text
    (only,) = await figures(customer, name)
    assert (only["rows"], only["promise"], only["calibration"]) == (1, None, [])


async def test_bound_that_is_no_finite_number_counts_as_not_stated(
    customer: Customer, upstream: FakeUpstream
) -> None:
    name = await trained(customer, upstream, versions=1)
    (first, *_) = observed(await predicted(customer, name))
    first["prediction"]["lower"] = -(10**400)
    assert (await report(customer, [first])).json()["saved"] == 1
    (only,) = await figures(customer, name)
    assert (only["rows"], only["promise"]) == (1, None)


async def test_figures_that_overflow_are_null(customer: Customer, upstream: FakeUpstream) -> None:
    name = await trained(customer, upstream, versions=1)
    results = observed(await predicted(customer, name))
    results[0]["observed"], results[1]["observed"] = 1e308, 1.5e308
    await report(customer, results)
    (only,) = await figures(customer, name)
    assert (only["score"], only["mean_error"]) == (None, None)
    assert only["promise"]["observed"] == 0.0


async def test_inputs_are_stored_only_with_consent_until_the_result_is_replaced(
    customer: Customer, upstream: FakeUpstream
) -> None:
    name = await trained(customer, upstream, versions=1)
    answer = await predicted(customer, name, rows=3)
    results = observed(answer)
    for one in results:
        one["inputs"] = {"torque": float(one["row"]), "grade": None}
    refused = await report(customer, results)
    assert (refused.status_code, error_of(refused)["param"]) == (400, "consent")
    assert await stored_inputs(customer) == []
    body = {"consent": True, "observations": results}
    saved = await customer.gateway.http.post(PATH, json=body)
    assert saved.json()["saved"] == 3
    assert await stored_inputs(customer) == [one["inputs"] for one in results]
    await report(customer, observed(answer)[:1])
    assert await stored_inputs(customer) == [one["inputs"] for one in results[1:]]


async def stored_inputs(customer: Customer) -> list[Any]:
    """The inputs that trainings can append, by row."""
    query = text("select inputs from observation where inputs is not null order by row")
    async with customer.gateway.parts.database.transaction() as session:
        return list((await session.execute(query)).scalars())


async def test_problem_names_the_result_and_nothing_is_saved(
    customer: Customer, upstream: FakeUpstream
) -> None:
    name = await trained(customer, upstream, versions=1)
    (first, *_) = observed(await predicted(customer, name))
    problems: tuple[tuple[dict[str, Any], str], ...] = (
        ({"request_id": "req_" + "0" * 32}, "request_id"),
        ({"row": 40}, "row"),
        ({"observed": "hot"}, "observed"),
        ({"prediction": None}, "prediction"),
        ({"prediction": {"forecast": [1.0]}}, "prediction"),
        ({"prediction": {"value": 10**400}}, "prediction"),
        ({"level": 1.0}, "level"),
    )
    for change, field in problems:
        refused = await report(customer, [{**first, **change}])
        assert refused.status_code == 400, change
        assert error_of(refused)["param"] == f"observations[0].{field}"
        assert [one["rows"] for one in await figures(customer, name)] == [0]


async def test_calls_and_reports_of_another_account_are_not_found(
    customer: Customer, upstream: FakeUpstream
) -> None:
    name = await trained(customer, upstream, versions=1)
    results = observed(await predicted(customer, name))
    async with another(customer.gateway) as openai:
        headers = {"authorization": f"Bearer {openai.api_key}"}
        http = customer.gateway.http
        refused = await http.post(PATH, json={"observations": results}, headers=headers)
        assert refused.status_code == 400
        answer = await http.get(f"/v1/models/{name}/observations", headers=headers)
        assert answer.status_code == 404
    assert [one["rows"] for one in await figures(customer, name)] == [0]


@nightly
async def test_deleted_model_takes_its_results_along(
    customer: Customer, upstream: FakeUpstream
) -> None:
    name = await trained(customer, upstream, versions=1)
    await report(customer, observed(await predicted(customer, name)))
    await customer.openai.models.delete(name)
    async with customer.gateway.parts.database.transaction() as session:
        left = (await session.execute(text("select count(*) from observation"))).scalar_one()
    assert left == 0


class Checked:
    """The check of promises, at any time, and the webhooks that it sent."""

    def __init__(self, database: Database) -> None:
        self.clock = ShiftedClock()
        self._database = database
        self._check = PromiseCheck(database, self.clock)

    async def run(self) -> list[dict[str, Any]]:
        await self._check()
        return await self.sent()

    async def sent(self) -> list[dict[str, Any]]:
        query = text("select payload from notification_event order by id")
        async with self._database.transaction() as session:
            return list((await session.execute(query)).scalars())


async def test_broken_promise_is_told_once_until_it_is_kept_again(
    customer: Customer, upstream: FakeUpstream
) -> None:
    name = await trained(customer, upstream)
    parts = customer.gateway.parts
    async with parts.database.transaction() as session:
        await update_alert_target(session, customer.gateway.account.id, "https://acme.example/hook")
    checked = Checked(parts.database)
    answer = await predicted(customer, name)
    await report(customer, observed(answer))
    assert await checked.run() == []
    await report(customer, observed(answer, off=50.0))
    (event,) = await checked.run()
    assert event["type"] == "model.promise_broken"
    assert (event["data"]["model"], event["data"]["observed"]) == (name, 0.0)
    await report(customer, observed(answer, off=60.0))
    assert len(await checked.run()) == 1
    await report(customer, observed(answer))
    assert len(await checked.run()) == 1
    checked.clock.to(checked.clock.now() + timedelta(minutes=2))
    await report(customer, observed(answer, off=50.0))
    async with parts.database.transaction() as session:
        await session.execute(text("update variant_promise set checked_at = now() - interval '1h'"))
    assert len(await checked.run()) == 2


async def test_probability_that_was_stored_before_it_was_checked_is_not_counted(
    customer: Customer, upstream: FakeUpstream
) -> None:
    name = await trained(customer, upstream, versions=1)
    results = observed(await predicted(customer, name), observed="faulty")
    for one in results:
        one["prediction"] = {"class": "ok", "probability": 0.9}
    await report(customer, results)
    database = customer.gateway.parts.database
    async with database.transaction() as session:
        await session.execute(text("update observation set probability = 1e308"))
    assert await Checked(database).run() == []
    assert [one["promise"] for one in await figures(customer, name)] == [None]


@nightly
async def test_version_that_cannot_be_alerted_keeps_no_other_from_being_alerted(
    customer: Customer, upstream: FakeUpstream
) -> None:
    silent = await trained(customer, upstream, versions=1)
    other: str = (await customer.adapts(suffix="line-4")).fine_tuned_model
    upstream.inputs[other] = INPUTS
    database = customer.gateway.parts.database
    async with database.transaction() as session:
        await update_alert_target(session, customer.gateway.account.id, "https://acme.example/hook")
    for name in (silent, other):
        await report(customer, observed(await predicted(customer, name), off=50.0))
    refused = f"check (payload->'data'->>'model' <> '{silent}')"
    expired = "update observation set created_at = :then where row = 0"
    async with database.transaction() as session:
        await session.execute(text(f"alter table notification_event add constraint one {refused}"))
        then = ShiftedClock().now() - RETENTION - timedelta(days=1)
        await session.execute(text(expired), {"then": then})
    checked = Checked(database)
    try:
        with capture_logs(), pytest.raises(StepsFailed):
            await checked.run()
        assert [one["data"]["model"] for one in await checked.sent()] == [other]
        assert [one["rows"] for one in await figures(customer, silent)] == [39]
    finally:
        async with database.transaction() as session:
            await session.execute(text("alter table notification_event drop constraint one"))
    assert [one["data"]["model"] for one in await checked.run()] == [other, silent]


async def test_old_results_are_deleted(customer: Customer, upstream: FakeUpstream) -> None:
    name = await trained(customer, upstream, versions=1)
    await report(customer, observed(await predicted(customer, name)))
    checked = Checked(customer.gateway.parts.database)
    checked.clock.to(checked.clock.now() + RETENTION + timedelta(hours=1))
    await checked.run()
    assert [one["rows"] for one in await figures(customer, name)] == [0]
