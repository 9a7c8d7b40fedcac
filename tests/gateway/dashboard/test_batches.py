"""Batch pages: the list, a batch with progress and downloads, cancellation, and other accounts."""

import json

import pytest

from gateway.identity.audit_log import list_account_entries
from gateway.identity.roles import Role
from tests.support.dashboard.firm import Firm
from tests.support.dashboard.looking import looker, words
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.batching import chat_line, create_batch, ended, jsonl

PAGE = "/dashboard/batches"


@pytest.fixture
async def done(office: Firm) -> str:
    """The id of a completed batch."""
    batch_id = await create_batch(office.gateway.http)
    await ended(office.gateway.parts.database, batch_id)
    return batch_id


async def test_list_is_empty_at_first_and_then_has_the_batch(office: Firm) -> None:
    assert "No batches yet" in await office.owner.page(PAGE)
    batch_id = await create_batch(office.gateway.http)
    await ended(office.gateway.parts.database, batch_id)
    said = words(await office.owner.page(PAGE))
    assert batch_id in said
    assert "Completed 3 of 3" in said


async def test_batch_shows_progress_cost_and_download(office: Firm, done: str) -> None:
    said = words(await office.owner.page(f"{PAGE}/{done}"))
    assert "Download results" in said
    assert "Download errors" not in said
    assert "Had been reserved" in said
    answer = await office.owner.http.get(f"{PAGE}/{done}/output.jsonl")
    assert answer.headers["content-disposition"].endswith(f'"{done}_output.jsonl"')
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [line["custom_id"] for line in lines] == ["line-0", "line-1", "line-2"]
    missing = await office.owner.http.get(f"{PAGE}/{done}/error.jsonl")
    assert missing.status_code == 404


async def test_progress_part_reloads_the_page_when_the_batch_has_ended(
    office: Firm, done: str
) -> None:
    part = await office.owner.http.get(f"{PAGE}/{done}/progress", headers={"hx-request": "true"})
    assert part.headers["hx-refresh"] == "true"
    assert "hx-get" not in part.text


async def test_problems_of_the_file_are_shown_with_lines(office: Firm) -> None:
    http = office.gateway.http
    lines = [chat_line("a", "x"), chat_line("a", "x")]
    files = {"file": ("in.jsonl", jsonl(lines))}
    upload = await http.post("/v1/files", data={"purpose": "batch"}, files=files)
    body = {
        "input_file_id": upload.json()["id"],
        "endpoint": "/v1/chat/completions",
        "completion_window": "24h",
    }
    batch = (await http.post("/v1/batches", json=body)).json()
    said = words(await office.owner.page(f"{PAGE}/{batch['id']}"))
    assert "2 custom_id" in said
    assert "duplicate_custom_id" in said


async def test_owner_cancels_a_batch(office: Firm, upstream: FakeUpstream) -> None:
    upstream.delay_s = 0.2
    gateway = office.gateway
    batch_id = await create_batch(gateway.http, 60)
    answer = await office.owner.send(f"{PAGE}/{batch_id}/cancel")
    assert answer.status_code == 303
    await ended(gateway.parts.database, batch_id)
    assert "Canceled" in words(await office.owner.page(f"{PAGE}/{batch_id}"))
    async with gateway.parts.database.transaction() as session:
        entries = await list_account_entries(session, gateway.account.id)
    assert "batch.canceled" in {entry.action for entry in entries}
    # One that has ended is only shown.
    assert (await office.owner.send(f"{PAGE}/{batch_id}/cancel")).status_code == 303


async def test_other_account_and_viewer_without_permission_cannot_cancel(
    office: Firm, done: str
) -> None:
    for path in ("", "/progress", "/output.jsonl"):
        assert (await office.stranger.http.get(f"{PAGE}/{done}{path}")).status_code == 404
    parts, account_id = office.gateway.parts, office.gateway.account.id
    async with looker(office.gateway.url, parts, account_id, Role.VIEWER) as viewer:
        assert (await viewer.send(f"{PAGE}/{done}/cancel")).status_code == 403


async def test_page_is_chinese_in_chinese(office: Firm, done: str) -> None:
    parts, account_id = office.gateway.parts, office.gateway.account.id
    async with looker(office.gateway.url, parts, account_id, language="zh") as owner:
        said = words(await owner.page(f"{PAGE}/{done}"))
    assert "下载结果" in said
    assert "曾预留" in said
