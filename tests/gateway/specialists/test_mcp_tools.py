"""The real specialists as tools at `/mcp`: their columns, and results that match their schemas."""

from importlib import import_module

import pytest

from tests.support.builders import BEARING_LIFE, SPECIALIST, Gateway
from tests.support.gateway.mcp_calls import call, list_tools, official_client
from tests.support.heavy import NEEDS_MCP
from tests.support.json_schemas import jsonschema
from tests.support.operating_points import BEARING, BEARING_UNITS, HEALTHY

pytestmark = NEEDS_MCP


@pytest.fixture(scope="module", autouse=True)
def _imported() -> None:
    """Imported before a gateway runs, which would answer no call for the second that it takes."""
    import_module("mcp")


async def test_every_specialist_with_columns_is_a_tool_with_valid_schemas(real: Gateway) -> None:
    tools = await list_tools(real)
    assert {BEARING_LIFE, SPECIALIST} <= set(tools)
    assert len(tools) > 12
    for tool in tools.values():
        for name in ("inputSchema", "outputSchema"):
            jsonschema.Draft202012Validator.check_schema(tool[name])


async def test_official_client_accepts_results_in_converted_units(real: Gateway) -> None:
    """The client checks structured results against the output schema itself."""
    async with official_client(real) as client:
        await client.list_tools()
        result = await client.call_tool(BEARING_LIFE, {**BEARING, "units": {**BEARING_UNITS}})
        healthy = await client.call_tool(SPECIALIST, dict(HEALTHY))
    content = result.structured_content
    assert content["values"]["basic_rating_time"] == pytest.approx(2400)
    assert content["units"]["basic_rating_time"] == "h"
    assert healthy.structured_content["values"]["failure"] == 0
    assert [row["status"] for row in await real.rows(2)] == [200, 200]


async def test_value_beyond_a_limit_is_refused_by_its_name_and_unit(real: Gateway) -> None:
    result = await call(real, BEARING_LIFE, {**BEARING, "reliability": 10.0})
    assert result["isError"] is True
    assert "reliability" in result["content"][0]["text"]
