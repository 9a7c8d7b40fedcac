"""The project of a call: usage rows, moves of keys, archive and budgets, through a real gateway."""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from billing.metering.budget_periods import BudgetPeriod
from billing.metering.budget_quotas import list_budget_states
from billing.metering.budget_recounts import recount_recent
from billing.money import nano_from_text
from billing.tables import Project
from gateway.access.api_keys import IssuedKey
from gateway.identity.audit_log import CLI_ACTOR
from gateway.projects.budgets import change_budgets
from gateway.projects.keys import create_project_key, move_key
from gateway.projects.projects import archive_project, create_project, format_project_id
from infra.clock import SystemClock
from infra.secrets.secret_key import secret_key
from tests.support import builders
from tests.support.builders import Gateway
from tests.support.fakes.upstream import FakeUpstream

CLOCK = SystemClock()


async def new_project(gateway: Gateway, name: str, **budgets: int) -> Project:
    """A project with budgets in nano-units by period."""
    account_id = gateway.account.id
    async with gateway.parts.database.transaction() as session:
        project = await create_project(session, CLOCK, CLI_ACTOR, account_id, name)
        amounts = {BudgetPeriod(period): amount for period, amount in budgets.items()}
        await change_budgets(session, CLOCK, CLI_ACTOR, account_id, project.id, amounts)
    return project


async def new_key(gateway: Gateway, project: Project) -> IssuedKey:
    pepper = secret_key(gateway.parts.settings)
    async with gateway.parts.database.transaction() as session:
        return await create_project_key(
            session, CLOCK, pepper, project.account_id, project.id, "line", actor=CLI_ACTOR
        )


async def move(gateway: Gateway, project_id: UUID) -> None:
    account_id, key_id = gateway.account.id, gateway.key.row.id
    async with gateway.parts.database.transaction() as session:
        await move_key(session, CLOCK, CLI_ACTOR, account_id, key_id, project_id)
    await gateway.caught_up()


async def worst_cost(gateway: Gateway, prompt: str) -> int:
    """The highest cost of a chat in nano-units."""
    messages = [{"role": "user", "content": prompt}]
    body = {"model": builders.CHAT, "messages": messages, "max_tokens": 5}
    quote = (await gateway.http.post("/v1/quote", json=body)).json()
    return nano_from_text(quote["max_cost"])


async def spent(gateway: Gateway) -> Mapping[tuple[UUID, BudgetPeriod], int]:
    async with gateway.parts.database.transaction() as session:
        states = await list_budget_states(session, gateway.account.id, CLOCK.now())
    return {(state.owner_id, state.period): state.used for state in states}


async def leased(gateway: Gateway) -> list[int]:
    """What gateways hold of each budget."""
    async with gateway.parts.database.transaction() as session:
        states = await list_budget_states(session, gateway.account.id, CLOCK.now())
    return [state.leased for state in states]


async def test_moved_key_leaves_earlier_calls_in_their_project(gateway: Gateway) -> None:
    project = await new_project(gateway, "Line 3")
    assert (await gateway.chat("one")).status_code == 200
    await move(gateway, project.id)
    assert (await gateway.chat("two")).status_code == 200
    rows = await gateway.rows(2)
    default = format_project_id(gateway.account.id)
    assert [row["project_id"] for row in rows] == [format_project_id(project.id), default]

    await move(gateway, gateway.account.id)

    async def listed(project_id: str) -> list[Any]:
        answer = await gateway.http.get("/v1/usage", params={"project_id": project_id})
        return [row["request_id"] for row in answer.json()["data"]]

    assert await listed(format_project_id(project.id)) == [rows[0]["request_id"]]
    assert await listed(default) == [rows[1]["request_id"]]


async def test_budget_refuses_with_project_limit_and_reset(gateway: Gateway) -> None:
    project = await new_project(gateway, "喷涂 车间", day=10, total=10**18)
    await move(gateway, project.id)
    answer = await gateway.chat("one")
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["type"]) == (
        429,
        "budget_exhausted",
        "insufficient_quota",
    )
    assert error["param"] == "budget.daily"
    midnight = BudgetPeriod.DAY.end(datetime.now(UTC))
    assert "The daily budget of the project '喷涂 车间' is used up" in error["message"]
    assert f"It resets at {midnight:%Y-%m-%dT%H:%M:%SZ}." in error["message"]
    assert answer.headers["x-should-retry"] == "false"


async def test_budget_set_later_counts_what_was_spent_before(gateway: Gateway) -> None:
    project = await new_project(gateway, "Line 3")
    await move(gateway, project.id)
    for prompt in ("one", "two words"):
        assert (await gateway.chat(prompt)).status_code == 200
    rows = await gateway.rows(2)
    async with gateway.parts.database.transaction() as session:
        amounts: dict[BudgetPeriod, int | None] = dict.fromkeys(BudgetPeriod, 10**15)
        await change_budgets(session, CLOCK, CLI_ACTOR, gateway.account.id, project.id, amounts)
    cost = sum(round(float(row["cost"]) * 10**9) for row in rows)
    assert await spent(gateway) == {(project.id, period): cost for period in BudgetPeriod}


async def test_archived_project_disables_its_keys(gateway: Gateway) -> None:
    project = await new_project(gateway, "Line 3")
    await move(gateway, project.id)
    assert (await gateway.chat("one")).status_code == 200
    async with gateway.parts.database.transaction() as session:
        await archive_project(session, CLOCK, CLI_ACTOR, gateway.account.id, project.id)
    await gateway.caught_up()
    answer = await gateway.chat("two")
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "project_archived")


async def test_moved_key_under_load_never_exceeds_either_budget(
    gateway: Gateway, upstream: FakeUpstream, database_url: str, tmp_path: Path
) -> None:
    """Two gateways, concurrent calls, each budget worth some of them, moves in between."""
    assert (await gateway.chat("load test")).status_code == 200
    cost = round(float((await gateway.row())["cost"]) * 10**9)
    worst = await worst_cost(gateway, "load test")
    first_budget, second_budget = worst + cost * 3, worst + cost * 8
    first = await new_project(gateway, "First", total=first_budget)
    second = await new_project(gateway, "Second", month=second_budget)
    await move(gateway, first.id)
    configured = builders.settings(database_url, tmp_path, upstream.url)
    parts = builders.build_parts(configured, CLOCK, builders.CATALOG)
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(builders.serve(parts))
        headers = {"authorization": f"Bearer {gateway.key.secret}"}
        other = await stack.enter_async_context(builders.client(url, headers))
        body = {
            "model": builders.CHAT,
            "messages": [{"role": "user", "content": "load test"}],
            "max_tokens": 5,
        }

        async def burst() -> list[int]:
            calls = [http.post("/v1/chat/completions", json=body) for http in (gateway.http, other)]
            calls += [
                http.post("/v1/chat/completions", json=body)
                for http in (gateway.http, other)
                for _ in range(7)
            ]
            return [answer.status_code for answer in await asyncio.gather(*calls)]

        running = asyncio.create_task(burst())
        await move(gateway, second.id)
        statuses = await running + await burst() + await burst()
        for _ in range(24):  # alone, a call needs to fit only itself
            statuses.append((await gateway.chat("load test")).status_code)
    used = await spent(gateway)
    assert used[first.id, BudgetPeriod.TOTAL] <= first_budget
    assert used[second.id, BudgetPeriod.MONTH] <= second_budget
    assert set(statuses) == {200, 429}
    rows = [row for row in await gateway.rows(1 + len(statuses)) if row["status"] == 200]
    for project in (first, second):
        of_project = [row for row in rows if row["project_id"] == format_project_id(project.id)]
        assert sum(used[key] for key in used if key[0] == project.id) == len(of_project) * cost
    # Used until the worst case of a call did not fit.
    assert second_budget - used[second.id, BudgetPeriod.MONTH] < worst
    async with gateway.parts.database.transaction() as session:
        assert await recount_recent(session, CLOCK.now()) == 2
    assert await spent(gateway) == used
    async with asyncio.timeout(20):
        while any(await leased(gateway)):  # noqa: ASYNC110  # leases that are idle are returned
            await asyncio.sleep(0.05)
