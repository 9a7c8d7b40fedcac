"""Decisions on the page of their call, in both languages, for the account's members only."""

from typing import Any

from infra import ids
from infra.secrets.secret_key import secret_key
from tests.support.builders import CHAT, SPECIALIST
from tests.support.dashboard.firm import Firm
from tests.support.dashboard.looking import looker, words
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.decided import record


async def test_call_page_shows_its_decision_in_the_viewers_language(office: Firm) -> None:
    gateway = office.gateway
    called = await gateway.chat("one two", max_tokens=5)
    request_id = called.headers["x-request-id"]
    parsed = ids.parse_id("req", request_id)
    assert parsed is not None
    parts = gateway.parts
    signed = await record(
        parts.database, secret_key(parts.settings), gateway.account.id, parsed, "torque 70 Nm"
    )
    page = f"/dashboard/usage/calls/{request_id}"
    said = words(await office.owner.page(page))
    assert "Decision of mill" in said
    assert "Verdict Uncertain · probability 93.0 %" in said
    assert "Outside the trained range torque" in said
    assert ids.format_id("drec", signed.id) in said
    async with looker(gateway.url, parts, gateway.account.id, language="zh") as reader:
        chinese = words(await reader.page(page))
    assert "结论 不确定 · 概率 93.0 %" in chinese
    assert "超出训练范围 扭矩" in chinese


async def test_call_page_lists_the_steps_of_a_chat_with_their_cost(
    office: Firm, upstream: FakeUpstream
) -> None:
    upstream.inputs[SPECIALIST] = [
        {"name": "torque", "datatype": "FP32", "unit": "N·m", "minimum": 0, "maximum": 500}
    ]
    tools: list[Any] = [{"type": "specialist", "models": [SPECIALIST]}]
    called = await office.gateway.chat("torque 65 Nm: will it fail?", tools=tools)
    cost = called.headers["x-maas-cost"]
    page = f"/dashboard/usage/calls/{called.headers['x-request-id']}"
    said = words(await office.owner.page(page))
    assert f"Calls that were made for this one: CN¥{cost.rstrip('0')} in all." in said
    assert SPECIALIST in said.split("Steps")[1]
    assert CHAT in said.split("Steps")[1]
