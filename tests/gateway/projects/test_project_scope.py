"""A project's key lists the calls, batches and decision records of its project; others are not
found."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

import httpx
import pytest

from billing.tables import DecisionRecord
from gateway.access.api_keys import IssuedKey
from gateway.identity.audit_log import CLI_ACTOR
from gateway.projects.keys import create_project_key
from gateway.projects.projects import create_project, format_project_id
from gateway.tables import Batch
from infra import ids
from infra.clock import SystemClock
from infra.secrets.secret_key import secret_key
from tests.support import builders
from tests.support.builders import Gateway

CLOCK = SystemClock()


@dataclass
class Line:
    """A project with a key, a client with it, and what the key has made."""

    project_id: UUID
    key: IssuedKey
    http: httpx.AsyncClient
    call: str = ""
    batch: str = ""
    record: str = ""


@pytest.fixture
async def lines(gateway: Gateway) -> AsyncIterator[list[Line]]:
    """The default project and another one; each has a call, a batch and a decision record."""
    account_id = gateway.account.id
    async with gateway.parts.database.transaction() as session:
        project = await create_project(session, CLOCK, CLI_ACTOR, account_id, "Line 3")
        pepper = secret_key(gateway.parts.settings)
        place = (session, CLOCK, pepper, account_id, project.id)
        key = await create_project_key(*place, "line", actor=CLI_ACTOR)
    headers = {"authorization": f"Bearer {key.secret}"}
    async with builders.client(gateway.url, headers) as http:
        both = [
            Line(account_id, gateway.key, gateway.http),
            Line(project.id, key, http),
        ]
        for line in both:
            await fill(gateway, line)
        yield both


async def fill(gateway: Gateway, line: Line) -> None:
    """Make a call with a line's key, and store a batch and a decision record of it."""
    body = {"model": builders.CHAT, "messages": [{"role": "user", "content": "a"}]}
    answer = await line.http.post("/v1/chat/completions", json={**body, "max_tokens": 2})
    assert answer.status_code == 200
    line.call = answer.headers["x-request-id"]
    now, account_id = CLOCK.now(), gateway.account.id
    batch = Batch(
        id=ids.new_id(),
        account_id=account_id,
        key_id=line.key.row.id,
        endpoint="/v1/chat/completions",
        input_file_id=ids.new_id(),
        status="completed",
        currency="CNY",
        created_at=now,
        expires_at=now,
    )
    record = DecisionRecord(
        id=ids.new_id(),
        account_id=account_id,
        request_id=ids.parse_id("req", line.call) or ids.new_id(),
        model="m",
        verdict="ok",
        document="{}",
        signature="s",
        key_id="k",
        created_at=now,
    )
    line.batch, line.record = ids.format_id("batch", batch.id), ids.format_id("drec", record.id)
    async with gateway.parts.database.transaction() as session:
        session.add_all([batch, record])


async def listed(line: Line, path: str, name: str = "id", **query: str) -> list[str]:
    answer = await line.http.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return [row[name] for row in answer.json()["data"]]


async def test_project_key_lists_only_the_calls_of_its_project(lines: list[Line]) -> None:
    default, line = lines
    assert await listed(default, "/v1/usage", "request_id") == [line.call, default.call]
    assert await listed(line, "/v1/usage", "request_id") == [line.call]
    own, other = format_project_id(line.project_id), format_project_id(default.project_id)
    assert await listed(line, "/v1/usage", "request_id", project_id=own) == [line.call]
    assert await listed(line, "/v1/usage", "request_id", project_id=other) == []
    assert await listed(default, "/v1/usage", "request_id", project_id=own) == [line.call]


async def test_batches_of_other_projects_are_not_found(lines: list[Line]) -> None:
    default, line = lines
    assert await listed(default, "/v1/batches") == [line.batch, default.batch]
    assert await listed(line, "/v1/batches") == [line.batch]
    assert (await line.http.get(f"/v1/batches/{line.batch}")).status_code == 200
    assert (await line.http.get(f"/v1/batches/{default.batch}")).status_code == 404
    assert (await line.http.post(f"/v1/batches/{default.batch}/cancel")).status_code == 404
    assert (await default.http.post(f"/v1/batches/{line.batch}/cancel")).status_code == 409


async def test_decision_records_of_other_projects_are_not_found(lines: list[Line]) -> None:
    default, line = lines
    path = "/v1/decision_records"
    assert await listed(default, path) == [line.record, default.record]
    assert await listed(line, path) == [line.record]
    assert (await line.http.get(f"{path}/{line.record}")).status_code == 200
    assert (await line.http.get(f"{path}/{default.record}")).status_code == 404
