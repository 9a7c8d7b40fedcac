"""Guards and answers from passages: quotations and the list of passages are checked too."""

from collections.abc import AsyncIterator

import pytest

from gateway.identity.audit_log import CLI_ACTOR
from gateway.registry.guards import remove_policy
from tests.gateway.retrieval.asking import ask, tool
from tests.gateway.retrieval.firm import Firm
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.checking import set_guard
from tests.support.gateway.drafts import QUESTION, TEXT, WRONG, in_order
from tests.support.gateway.lasting import Lasting


@pytest.fixture(scope="module")
async def store(served: Lasting) -> str:
    return await Firm(served.gateway, served.openai).store(TEXT, name="filter.txt")


@pytest.fixture
async def firm(served: Lasting) -> AsyncIterator[Firm]:
    """A firm whose guard masks a word of its document; without it after the test."""
    gateway = served.gateway
    rule = {"kind": "words", "action": "mask", "applies_to": "output", "words": ["filter"]}
    await set_guard(gateway, rule)
    yield Firm(gateway, served.openai)
    async with gateway.parts.database.transaction() as session:
        await remove_policy(session, gateway.parts.clock, CLI_ACTOR, gateway.account.id)
    await gateway.caught_up()


@pytest.fixture
def upstream(served: Lasting, store: str) -> FakeUpstream:
    """The fake model server, which answers wrongly twice, so that the passage is quoted."""
    served.upstream.replies = in_order(WRONG, WRONG)
    return served.upstream


async def test_quotation_is_masked(firm: Firm, store: str, upstream: FakeUpstream) -> None:
    answer = await ask(firm, QUESTION, tool(store), max_tokens=20)
    text = answer.choices[0].message.content
    assert text == f"{TEXT.replace('filter', '<REMOVED>')} [1]"
    assert TEXT not in answer.model_dump_json()


async def test_streamed_quotation_is_masked(firm: Firm, store: str, upstream: FakeUpstream) -> None:
    stream = await ask(firm, QUESTION, tool(store), max_tokens=20, stream=True)
    chunks = [chunk async for chunk in stream]
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text.strip() == f"{TEXT.replace('filter', '<REMOVED>')} [1]"
    assert not any(TEXT in chunk.model_dump_json() for chunk in chunks)
