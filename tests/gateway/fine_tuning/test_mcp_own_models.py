"""An account's fine-tuned model as a tool at `/mcp`, which other accounts do not have."""

from tests.gateway.fine_tuning.variants import adapted
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.customers import Customer, another
from tests.support.gateway.mcp_calls import call, list_tools
from tests.support.heavy import NEEDS_MCP

pytestmark = NEEDS_MCP


async def test_own_model_is_listed_and_called_by_its_account_only(
    customer: Customer, upstream: FakeUpstream
) -> None:
    name = await adapted(customer)
    upstream.inputs[name] = [{"name": "torque", "datatype": "FP32"}]
    tools = {tool["title"]: tool for tool in (await list_tools(customer.gateway)).values()}
    tool = tools[name]["name"]
    result = await call(customer.gateway, tool, {"torque": 1.0})
    assert result["structuredContent"]["model"] == name
    async with another(customer.gateway) as other:
        headers = {"authorization": f"Bearer {other.api_key}"}
        theirs = (await list_tools(customer.gateway, headers)).values()
        assert name not in {one["title"] for one in theirs}
        refused = await call(customer.gateway, tool, {"torque": 1.0}, headers)
        assert refused["isError"] is True
