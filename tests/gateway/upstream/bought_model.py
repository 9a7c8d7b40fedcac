"""A catalog file with a model that a provider serves, and what tests of it have in common."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from sqlalchemy import text

from tests.support.builders import CHAT, Gateway
from tests.support.fakes.provider import FakeProvider

BOUGHT = "bought"
CATALOG_TEXT = f"""
[aliases]
"gpt-4o-mini" = "{BOUGHT}"

[[model]]
id = "{BOUGHT}"
task = "text-generation"
description = "d"
context_length = 8192
[model.meters]
input_tokens = {{ per = 1, CNY = "0.00001" }}
output_tokens = {{ per = 1, CNY = "0.00002" }}

[[upstream]]
name = "provider"
url = "{{url}}"
api_key_secret = "provider"
headers = {{ X-Org = "org" }}
models = {{ "{BOUGHT}" = "their-name", "{CHAT}" = "their-chat" }}
[upstream.cost.{BOUGHT}]
input_tokens = {{ per = 1, CNY = "0.000004" }}
output_tokens = {{ per = 1, CNY = "0.000006" }}
"""
Start = Callable[..., AbstractAsyncContextManager[Gateway]]


def with_second(second: FakeProvider) -> str:
    """The catalog with a second upstream, which follows the first."""
    return f"""{CATALOG_TEXT}
[[upstream]]
name = "second"
url = "{second.url}"
api_key_secret = "provider"
models = {{ "{BOUGHT}" = "other-name" }}
priority = 2
"""


async def stored(gateway: Gateway, count: int = 1) -> list[Any]:
    """Upstream and cost of this number of usage rows, oldest first; waits until they are there."""
    await gateway.rows(count)
    query = "select model, upstream, upstream_cost_nano, cost_nano, settlement from usage"
    async with gateway.parts.database.transaction() as session:
        return list((await session.execute(text(f"{query} order by started_at"))).all())


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
