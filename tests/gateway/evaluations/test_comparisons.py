"""Comparisons of models on a table: quote, exact bill, figures, errors, isolation, crashes."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import text

from gateway.evaluations.comparisons import rows
from gateway.identity.audit_log import list_account_entries
from infra import ids
from infra.clock import SystemClock
from infra.database.database import Database
from tests.support.builders import SPECIALIST, Gateway
from tests.support.builders import client as http_client
from tests.support.builders import customer as account
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.customers import Customer, client
from tests.support.gateway.errors import error_of
from tests.support.gateway.own_rows import INPUTS, table, trained
from tests.support.nightly import nightly

PATH = "/v1/evals/comparisons"


@pytest.fixture
async def customer(gateway: Gateway) -> AsyncIterator[Customer]:
    async with client(gateway.url, gateway.key.secret) as openai:
        yield Customer(gateway, openai)


async def uploaded(customer: Customer, content: bytes, purpose: Any = "evals") -> str:
    file = await customer.openai.files.create(file=("june.csv", content), purpose=purpose)
    return file.id


async def ended(gateway: Gateway, name: str) -> dict[str, Any]:
    """The comparison, once it is over."""
    async with asyncio.timeout(20):
        while True:
            found: dict[str, Any] = (await gateway.http.get(f"{PATH}/{name}")).json()
            if found["finished_at"] is not None:
                return found
            await asyncio.sleep(0.02)


async def compared(customer: Customer, models: list[str], **fields: Any) -> dict[str, Any]:
    file = await uploaded(customer, fields.pop("content", table()))
    body = {"models": models, "file": file, "target": "wear", **fields}
    made = await customer.gateway.http.post(PATH, json=body)
    assert made.status_code == 200, made.text
    return await ended(customer.gateway, made.json()["id"])


async def test_better_version_is_shown_with_intervals_and_billed_as_predictions(
    customer: Customer, upstream: FakeUpstream
) -> None:
    name = await trained(customer, upstream)
    found = await compared(customer, [f"{name}:2", f"{name}:1"], machine="machine")
    assert (found["status"], found["rows"], found["metric"]) == ("completed", 60, "RMSE")
    assert found["clusters"] == "machine"
    first, second = found["results"]
    assert (first["score"], second["score"]) == (1.0, 6.0)
    assert (first["first_is"], second["first_is"]) == (None, "better")
    low, high = second["difference_interval"]
    assert low <= 5.0 <= high
    assert low > 0
    assert (first["interval_coverage"]["share"], second["interval_coverage"]["share"]) == (1, 0)
    usage = [row for row in await customer.gateway.rows(4) if row["operation"] == "predictions"]
    assert [row["rows"] for row in usage] == [60, 60]
    assert {row["tags"]["comparison"] for row in usage} == {found["id"]}
    assert float(found["cost"]) == pytest.approx(sum(float(row["cost"]) for row in usage))
    assert float(found["cost"]) == pytest.approx(float(found["quoted_max_cost"]))
    async with customer.gateway.parts.database.transaction() as session:
        entries = await list_account_entries(session, customer.gateway.account.id)
    assert "comparison.created" in {entry.action for entry in entries}


@nightly
async def test_current_version_is_pinned_when_the_comparison_is_made(
    customer: Customer, upstream: FakeUpstream
) -> None:
    name = await trained(customer, upstream)
    found = await compared(customer, [name, f"{name}:1"])
    assert found["models"] == [f"{name}:2", f"{name}:1"]
    assert found["clusters"] == "row"


@nightly
async def test_ready_made_model_is_compared_by_mapped_columns_outputs_and_labels(
    customer: Customer, upstream: FakeUpstream
) -> None:
    name = await trained(customer, upstream, versions=1)
    upstream.inputs[SPECIALIST] = [{"name": "moment", "datatype": "FP32"}]

    def outputs(model: str, request: dict[str, Any]) -> dict[str, list[Any]]:
        (column,) = request["inputs"]
        if model == SPECIALIST:
            assert column["name"] == "moment"
            return {"failure_probability": [0.1] * 40, "failure": [0] * 40}
        return {"class": ["ok" if one < 20 else "faulty" for one in column["data"]]}

    upstream.outputs = outputs
    lines = [f"{row};{'ok' if row < 20 else 'faulty'}" for row in range(40)]
    found = await compared(
        customer,
        [name, SPECIALIST],
        content="\n".join(["torque;wear", *lines]).encode(),
        columns={SPECIALIST: {"moment": "torque"}},
        outputs={SPECIALIST: "failure"},
        labels={SPECIALIST: {"0": "ok", "1": "faulty"}},
    )
    assert found["status"] == "completed", found["error"]
    own, ready = found["results"]
    assert (found["metric"], own["score"], ready["output"]) == ("macro-F1", 1.0, "failure")
    assert ready["score"] == pytest.approx(1 / 3, abs=1e-4)
    assert ready["first_is"] == "better"


@nightly
async def test_figures_that_overflow_are_null_and_the_comparison_is_completed(
    customer: Customer, upstream: FakeUpstream
) -> None:
    name = await trained(customer, upstream)
    lines = [f"{row};{'1e200' if row == 0 else 2 * row}" for row in range(20)]
    content = "\n".join(["torque;wear", *lines]).encode()
    found = await compared(customer, [f"{name}:2", f"{name}:1"], content=content)
    assert (found["status"], found["error"]) == ("completed", None)
    first, second = found["results"]
    assert (first["score"], second["score"], second["difference"]) == (None, None, None)
    assert first["score_interval"][1] is None
    assert second["first_is"] == "no_difference_shown"
    assert first["interval_coverage"]["share"] == 0.95


@nightly
async def test_unused_header_that_is_nearly_an_input_is_noted_in_quote_and_comparison(
    customer: Customer, upstream: FakeUpstream
) -> None:
    name = await trained(customer, upstream)
    models = [f"{name}:2", f"{name}:1"]
    upstream.inputs[name] = [*INPUTS, {"name": "speed", "datatype": "FP32", "optional": True}]
    content = table().replace(b"machine", b"sped")
    message = "The table has no column 'speed', and its column 'sped' is not used: if they are the"
    body = {"models": models, "file": await uploaded(customer, content), "target": "wear"}
    quote = (await customer.gateway.http.post(f"{PATH}/quote", json=body)).json()
    found = await compared(customer, models, content=content)
    assert quote["notes"] == found["notes"]
    assert [one["model"] for one in found["notes"]] == models
    assert all(one["message"].startswith(message) for one in found["notes"])


@nightly
async def test_rows_whose_result_is_missing_do_not_count(
    customer: Customer, upstream: FakeUpstream
) -> None:
    name = await trained(customer, upstream)
    lines = [f"{row};{'n/a' if row == 0 else 2 * row}" for row in range(20)]
    content = "\n".join(["torque;wear", *lines]).encode()
    found = await compared(customer, [f"{name}:2", f"{name}:1"], content=content)
    assert [one["score"] for one in found["results"]] == [1.0, 6.0]
    assert [one["interval_coverage"]["rows"] for one in found["results"]] == [19, 19]


def load(hour: int) -> float:
    """A daily course that rises by 12 a day."""
    return 100 + 10 * (hour % 24) + 0.5 * hour


def forecasts(name: str, request: dict[str, Any]) -> dict[str, list[Any]]:
    """What comes after each history; version 1 is off by 3 of the 12 that a day makes."""
    off = 3.0 if name.endswith(":1") else 0.0
    (histories,) = [one["data"] for one in request["inputs"] if one["name"] == "load"]
    ahead = [[value + 12 + off for value in history[-24:-18]] for history in histories]
    return {
        "forecast": ahead,
        "lower": [[value - 1 for value in row] for row in ahead],
        "upper": [[value + 1 for value in row] for row in ahead],
    }


@nightly
async def test_forecasters_are_compared_with_each_other_and_with_the_last_season(
    customer: Customer, upstream: FakeUpstream
) -> None:
    name = await trained(customer, upstream)
    steps = [48, 10_000]
    upstream.inputs[name] = [
        {"name": "time", "datatype": "BYTES", "length": steps},
        {"name": "load", "datatype": "FP32", "length": steps},
        {"name": "horizon", "datatype": "FP32", "optional": True},
    ]
    upstream.outputs = forecasts
    lines = [
        f"2026-03-{1 + hour // 24:02d} {hour % 24:02d}:00;L{line};{load(hour)}"
        for line in range(3)
        for hour in range(240)
    ]
    found = await compared(
        customer,
        [f"{name}:2", f"{name}:1"],
        content="\n".join(["time;line;load", *lines]).encode(),
        target="load",
        time="time",
        machine="line",
        horizon=6,
    )
    assert found["status"] == "completed", found["error"]
    assert (found["metric"], found["rows"]) == ("MASE, 6 steps ahead, season 24", 72)
    assert (found["clusters"], found["higher_is_better"]) == ("machine", False)
    newer, older, naive = found["results"]
    assert naive["model"] == "seasonal-naive"
    assert [one["score"] for one in found["results"]] == pytest.approx([0.0, 0.25, 1.0])
    assert (older["first_is"], naive["first_is"]) == ("better", "better")
    assert (newer["interval_coverage"]["share"], older["interval_coverage"]["share"]) == (1, 0)
    # Each origin is a row of the bill, and a call has at most 20 of them.
    usage = [row for row in await customer.gateway.rows(10) if row["operation"] == "predictions"]
    assert sorted(row["rows"] for row in usage) == [12, 12, 20, 20, 20, 20, 20, 20]
    assert float(found["cost"]) == pytest.approx(sum(float(row["cost"]) for row in usage))
    assert upstream.received[-1]["inputs"][-1]["data"] == [6.0] * 12


async def test_quote_bills_nothing_and_limit_below_it_is_refused(
    customer: Customer, upstream: FakeUpstream
) -> None:
    name = await trained(customer, upstream)
    body = {
        "models": [f"{name}:1", f"{name}:2"],
        "file": await uploaded(customer, table()),
        "target": "wear",
    }
    quote = (await customer.gateway.http.post(f"{PATH}/quote", json=body)).json()
    assert (quote["rows"], quote["covered"], len(quote["models"])) == (60, True, 2)
    refused = await customer.gateway.http.post(PATH, json={**body, "max_cost": "0.000001"})
    assert (refused.status_code, error_of(refused)["code"]) == (400, "max_cost_exceeded")
    assert (await customer.gateway.http.get(PATH)).json()["data"] == []


async def test_problem_names_the_field(customer: Customer, upstream: FakeUpstream) -> None:
    name = await trained(customer, upstream)
    table_of_two = await uploaded(customer, table())
    problems: tuple[tuple[dict[str, Any], str], ...] = (
        ({"target": "life"}, "target"),
        ({"machine": "line"}, "machine"),
        ({"models": [f"{name}:1", f"{name}:9"]}, "models"),
        ({"models": [f"{name}:1"]}, "models"),
        ({"models": [f"{name}:1", f"{name}:1"]}, "models"),
        ({"outputs": {"other": "value"}}, "outputs"),
        ({"columns": {f"{name}:1": {"torque": "moment"}}}, "columns"),
        ({"file": await uploaded(customer, b"speed;wear\n1;2\n3;4\n")}, "file"),
        ({"file": await uploaded(customer, b"torque;wear\n1;2\n3;4\n")}, "file"),
    )
    for change, param in problems:
        body = {"models": [f"{name}:1", f"{name}:2"], "file": table_of_two, "target": "wear"}
        refused = await customer.gateway.http.post(PATH, json={**body, **change})
        assert refused.status_code in (400, 404), refused.text
        assert (error_of(refused)["param"] or "").startswith(param), change


async def test_predictions_of_a_lost_process_are_not_billed_again(
    customer: Customer, upstream: FakeUpstream
) -> None:
    name = await trained(customer, upstream)
    found = await compared(customer, [f"{name}:2", f"{name}:1"])
    parts = customer.gateway.parts
    async with parts.database.transaction() as session:
        row = await rows.find_comparison(session, customer.gateway.account.id, found["id"])
        # As if the process had been lost after its calls and before it stored the figures.
        row.status, row.report, row.finished_at = "queued", None, None
    parts.own_models.comparison_runner.wake()
    again = await ended(customer.gateway, found["id"])
    assert (again["results"], again["cost"]) == (found["results"], found["cost"])
    usage = [row for row in await customer.gateway.rows(6) if row["operation"] == "predictions"]
    assert sum(float(row["cost"]) for row in usage) == pytest.approx(float(found["cost"]))


async def test_open_comparisons_of_one_account_do_not_delay_those_of_another(
    database: Database,
) -> None:
    long, short, process = ids.new_id(), ids.new_id(), ids.new_id()
    # The account, key and file of a comparison do not matter to its claim.
    without_references = text("set local session_replication_role = replica")
    async with database.transaction() as session:
        await session.execute(without_references)
        for account_id in (long, long, short):
            new = rows.NewComparison(
                *(account_id, account_id, "", ["a", "b"], account_id, {}, 20, None, 0, "CNY")
            )
            await rows.create_comparison(session, SystemClock(), new)
    async with database.transaction() as session:
        await session.execute(without_references)
        await session.execute(text("select setseed(0.5)"))
        # The process itself may claim a row again that it holds.
        claims = [await rows.claim_next(session, SystemClock(), process) for _ in range(20)]
    assert {row.account_id for row in claims if row is not None} == {long, short}


async def test_comparison_of_another_account_is_not_found(
    customer: Customer, upstream: FakeUpstream
) -> None:
    name = await trained(customer, upstream)
    found = await compared(customer, [f"{name}:2", f"{name}:1"])
    parts = customer.gateway.parts
    _, key = await account(parts.database, parts.settings, "Bolt 紧固件")
    headers = {"authorization": f"Bearer {key.secret}"}
    async with http_client(customer.gateway.url, headers) as stranger:
        for method, path in (("GET", ""), ("POST", "/cancel"), ("DELETE", "")):
            response = await stranger.request(method, f"{PATH}/{found['id']}{path}")
            assert response.status_code == 404
        assert (await stranger.get(PATH)).json()["data"] == []


@nightly
async def test_deleted_comparison_is_gone_and_an_open_one_is_not_deleted(
    customer: Customer, upstream: FakeUpstream
) -> None:
    name = await trained(customer, upstream)
    found = await compared(customer, [f"{name}:2", f"{name}:1"])
    parts = customer.gateway.parts
    async with parts.database.transaction() as session:
        row = await rows.find_comparison(session, customer.gateway.account.id, found["id"])
        row.status, row.process_id = "in_progress", parts.heartbeat.process_id
        row.retry_at = parts.clock.now().replace(year=2099)
    address = f"{PATH}/{found['id']}"
    assert (await customer.gateway.http.delete(address)).status_code == 409
    cancelled = await customer.gateway.http.post(f"{address}/cancel")
    assert cancelled.json()["status"] == "canceled"
    assert (await customer.gateway.http.delete(address)).json()["deleted"] is True
    assert (await customer.gateway.http.get(address)).status_code == 404


@nightly
async def test_machines_of_other_lengths_are_predicted_and_scored_in_the_order_of_the_table(
    customer: Customer, upstream: FakeUpstream
) -> None:
    name = await trained(customer, upstream)
    upstream.inputs[name] = [{"name": "load", "datatype": "FP32", "length": [2, 9]}]
    upstream.outputs = lambda _, request: {
        "value": [one[-1] for one in request["inputs"][0]["data"]]
    }
    lines = [f"L{line};{line};{line}" for line in range(12) for _ in range(3 if line % 2 else 2)]
    found = await compared(
        customer,
        [f"{name}:2", f"{name}:1"],
        content="\n".join(["line;load;wear", *lines]).encode(),
        machine="line",
    )
    assert (found["status"], found["rows"]) == ("completed", 12), found["error"]
    assert [one["score"] for one in found["results"]] == [0.0, 0.0]
    usage = [row for row in await customer.gateway.rows(6) if row["operation"] == "predictions"]
    assert sorted(row["rows"] for row in usage) == [6, 6, 6, 6]
