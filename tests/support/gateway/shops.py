"""A platform with a shared model, accounts that correct it, and the proposer of new versions."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from openai import AsyncOpenAI
from sqlalchemy import text

from billing.metering.usage import REQUEST_ID_PREFIX, insert_usage
from billing.tables import Account
from gateway.access.api_keys import IssuedKey
from gateway.components import Components
from gateway.registry.versions import list_versions
from gateway.shared_models import feedback
from gateway.shared_models.collector import scrub_personal_data
from gateway.shared_models.examples import SelectionRules
from gateway.shared_models.proposer import Proposer, ProposerDependencies
from gateway.shared_models.provenance import list_provenance
from gateway.tables import ModelVersion
from gateway.wire.feedback import FeedbackMessage, FeedbackRequest
from infra import ids
from models.catalog import Catalog, Meter, Weights
from models.industrial_llm.examples import DatasetSplit as Tasks
from models.industrial_llm.examples import Example
from tests.support import builders
from tests.support.billing import making
from tests.support.builders import CATALOG, CHAT, Gateway, run_gateway
from tests.support.fakes.adapters import ANSWER, ASKED, FakeAdapters, run_fake_adapters
from tests.support.gateway.askers import Asker
from tests.support.gateway.customers import client
from tests.support.waiting import until_true

SHARED = "shop-floor"
MODEL = replace(
    CATALOG.models[CHAT],
    id=SHARED,
    base=CHAT,
    prices={"CNY": {**CATALOG.models[CHAT].prices["CNY"], Meter.ADAPTATION_SECONDS: 1_000_000}},
    adapter="industrial_llm",
    weights=Weights("adapter", "made up"),
    engine={},
    concurrency=None,
    fallbacks=(),
    route=None,
)
SOLD = Catalog({**CATALOG.models, SHARED: MODEL})
RULES = SelectionRules(min_accounts=3, min_examples=20)
LETTERS = "abcdefghij"
# So many examples of each task: one of them may come out worse before a version falls behind.
JUDGED_BY = 8


def faults(first: int, count: int) -> list[str]:
    """Words that differ in letters; different numbers would not change the held-out split."""
    return [
        "".join(LETTERS[int(digit)] for digit in f"{number:04d}")
        for number in range(first, first + count)
    ]


def question_of(fault: str) -> str:
    return f"{ASKED}{fault}?"


def tasks() -> Mapping[str, Tasks]:
    """Two small tasks that the built-in adapter has learned."""
    orders = [
        Example("failure_mode", "own", "en", f"order {fault} leaks", "Leaking")
        for fault in faults(5000, 30 + JUDGED_BY)
    ]
    terms = [
        Example("terms", "own", "en", f"term {fault}", f"术语 {fault}")
        for fault in faults(6000, 30 + JUDGED_BY)
    ]
    return {
        "failure_mode": Tasks(train=tuple(orders[:30]), test=tuple(orders[30:])),
        "terms": Tasks(train=tuple(terms[:30]), test=tuple(terms[30:])),
    }


class Firm(Asker):
    """An account of the platform, which may have earlier calls and corrections as rows only."""

    def __init__(self, openai: AsyncOpenAI, account: Account, key: IssuedKey) -> None:
        super().__init__(openai, SHARED)
        self.account_id = account.id
        self._caller = making.Customer(account.id, key.row.id, ())

    async def has_corrected(
        self, parts: Components, given: Sequence[str], consent: bool = True
    ) -> None:
        """Write rows of calls about these faults and of their corrections."""
        calls = [making.record(self._caller, model=SHARED) for _ in given]
        async with parts.database.transaction() as session:
            await insert_usage(session, calls)
            for call, fault in zip(calls, given, strict=True):
                said = FeedbackRequest(
                    request_id=ids.format_id(REQUEST_ID_PREFIX, call.request_id),
                    rating="bad",
                    messages=[FeedbackMessage("user", question_of(fault))],
                    correction=f"{ANSWER}{fault}",
                    consent=consent,
                )
                await feedback.save_feedback(session, parts.clock, self.account_id, said)


@dataclass
class Shop:
    """`firms` are three accounts; `serving` serves the gateway and the proposer."""

    gateway: Gateway
    serving: FakeAdapters
    firms: Sequence[Firm]
    proposer: Proposer

    async def answer(self, fault: str = "zzzz") -> Any:
        """The response that the first account gets."""
        return await self.firms[0].asks(question_of(fault))

    async def answers(self, said: str, fault: str = "zzzz") -> None:
        """Wait for a response after a change, which the gateway reads several times a second."""

        async def heard() -> bool:
            content: str | None = (await self.answer(fault)).choices[0].message.content
            return content == said

        await until_true(heard)

    async def corrected(self, each: int = 8) -> None:
        """Write a number of corrections of every account, all for different questions."""
        for at, firm in enumerate(self.firms):
            await firm.has_corrected(self.gateway.parts, faults(1000 * at, each))

    async def corrects(self, each: int = 8) -> None:
        """Make calls and send corrections through the API."""
        for at, firm in enumerate(self.firms):
            for fault in faults(1000 * at, each):
                await firm.corrects(question_of(fault), f"{ANSWER}{fault}")

    async def proposes(self, **more: Any) -> ModelVersion:
        return await self.proposer.propose(MODEL, "a test", lambda _: None, **more)

    async def provenance(self, number: int) -> list[dict[str, Any]]:
        """The provenance of a version."""
        (row,) = [one for one in await self.versions() if one.number == number]
        async with self.gateway.parts.database.transaction() as session:
            return await list_provenance(session, row, scrub_personal_data)

    async def sql(self, statement: str, **values: Any) -> Sequence[Any]:
        async with self.gateway.parts.database.transaction() as session:
            return (await session.execute(text(statement), values)).all()

    async def versions(self) -> Sequence[ModelVersion]:
        async with self.gateway.parts.database.transaction() as session:
            return await list_versions(session, SHARED)


def proposer_of(parts: Components, rules: SelectionRules = RULES) -> Proposer:
    """A proposer like the worker's, on this gateway's database and servers."""
    return Proposer(
        ProposerDependencies(
            parts.clock, parts.database, parts.upstream, parts.router, rules, tasks
        )
    )


@asynccontextmanager
async def run_shop(database_url: str, data_dir: Path) -> AsyncIterator[Shop]:
    async with AsyncExitStack() as stack:
        # Judging opens a client for each task and version: these read no authorities either.
        plain = partial(httpx.AsyncHTTPTransport, verify=builders.NO_TLS)
        patched = stack.enter_context(pytest.MonkeyPatch.context())
        patched.setattr(httpx, "AsyncHTTPTransport", plain)
        serving = await stack.enter_async_context(run_fake_adapters(SHARED))
        serving.knows = {one.text: one.answer for some in tasks().values() for one in some.test}
        configured = builders.settings(database_url, data_dir, serving.url)
        gateway = await stack.enter_async_context(run_gateway(configured, catalog=SOLD))
        customers = [(gateway.account, gateway.key)]
        for name in ("Bolt", "Cog"):
            customers.append(await builders.customer(gateway.parts.database, configured, name))
        firms = []
        for account, key in customers:
            openai = await stack.enter_async_context(client(gateway.url, key.secret))
            firms.append(Firm(openai, account, key))
        yield Shop(gateway, serving, firms, proposer_of(gateway.parts))
