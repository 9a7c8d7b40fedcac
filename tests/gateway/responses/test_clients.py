"""pydantic-ai, unmodified, with the Responses API: functions, whole and streamed."""

from importlib import import_module
from typing import Any

import pytest

from infra.lazy_import import LazyModule
from tests.support.builders import CHAT, Gateway
from tests.support.fakes.scripted_model import ScriptedModel, function_call
from tests.support.heavy import NEEDS_PYDANTIC_AI
from tests.support.openai_client import openai_client

pytestmark = NEEDS_PYDANTIC_AI
pydantic_ai: Any = LazyModule("pydantic_ai")
models: Any = LazyModule("pydantic_ai.models.openai")
providers: Any = LazyModule("pydantic_ai.providers.openai")


@pytest.fixture(scope="module", autouse=True)
def _imported() -> None:
    """Imported before a gateway runs, which would answer no call for the second that it takes.

    The last two are imported by the first run of an agent: 1.6 MB of prices, and the endpoints.
    """
    import_module("pydantic_ai.models.openai")
    import_module("pydantic_ai.providers.openai")
    import_module("genai_prices.data")
    import_module("openai.resources")


@pytest.mark.parametrize("streamed", [False, True])
async def test_pydantic_ai_calls_its_function_and_answers(
    scripted: Gateway, model: ScriptedModel, streamed: bool
) -> None:
    model.answers = [
        function_call("read_pump", pump="P-1"),
        {"role": "assistant", "content": "It has 3 bar."},
    ]
    async with openai_client(scripted) as client:
        provider = providers.OpenAIProvider(openai_client=client)
        agent = pydantic_ai.Agent(models.OpenAIResponsesModel(CHAT, provider=provider))

        @agent.tool_plain  # type: ignore[untyped-decorator]
        def read_pump(pump: str) -> str:
            """Read a pump's pressure."""
            return f"{pump}: 3 bar"

        if streamed:
            async with agent.run_stream("How much pressure has P-1?") as result:
                output = await result.get_output()
        else:
            output = (await agent.run("How much pressure has P-1?")).output
    assert output == "It has 3 bar."
    assert model.received[1]["messages"][-1]["content"] == "P-1: 3 bar"
