"""The search tool at `/mcp`: the account's stores, and the cost of a search."""

import json

import pytest

from tests.gateway.retrieval.firm import MANUAL, Firm
from tests.support.gateway.mcp_calls import call, list_tools
from tests.support.heavy import NEEDS_MCP

pytestmark = [NEEDS_MCP, pytest.mark.usefixtures("cut_in_process")]


async def test_search_finds_passages_and_reports_its_cost(firm: Firm) -> None:
    store = await firm.store(MANUAL)
    rows = {row["request_id"] for row in await _rows(firm)}
    assert store in (await list_tools(firm.gateway))["search"]["description"]
    found = (await call(firm.gateway, "search", {"query": "fault F30001"}))["structuredContent"]
    assert "F30001" in found["results"][0]["text"]
    [row] = [row for row in await _rows(firm) if row["request_id"] not in rows]
    assert (found["request_ids"], found["cost"]) == ([row["request_id"]], row["cost"])


async def test_account_without_a_store_has_no_search_tool(firm: Firm) -> None:
    assert "search" not in await list_tools(firm.gateway)
    assert (await call(firm.gateway, "search", {"query": "x"}))["structuredContent"][
        "results"
    ] == []


async def test_unknown_store_is_refused(firm: Firm) -> None:
    arguments = {"query": "x", "vector_store_ids": ["vs_0"]}
    result = await call(firm.gateway, "search", arguments)
    assert json.loads(result["content"][0]["text"])["code"] == "vector_store_not_found"


async def _rows(firm: Firm) -> list[dict[str, str]]:
    """The account's usage rows."""
    rows: list[dict[str, str]] = (await firm.gateway.http.get("/v1/usage")).json()["data"]
    return rows
