"""Concurrent clients of every kind, and the responses that each has seen.

No two calls have the same token counts, so each usage row can be matched to one call,
also if its client saw no response.
"""

import asyncio
import itertools
import json
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from billing.metering.usage import list_usage, usage_to_json
from billing.reconciliation.usage_and_quotas import ReconciliationResult, reconcile
from infra.database.database import Database
from tests.support.builders import CHAT
from tests.support.chaos import in_full

Size = tuple[int, int]
_PATIENCE_S = 180
# The longest pause between two calls of a client: none in a full run, else long enough to leave CPU
# time for processes that start meanwhile.
_PAUSE_S = in_full(40, 200) / 1000
Row = dict[str, Any]
INPUT, OUTPUT = 500, 2000  # nano-yuan for a token of the chat model


@dataclass
class Seen:
    """What clients saw. `whole` has complete responses by request id."""

    sent: int = 0
    whole: dict[str, Size] = field(default_factory=dict)
    # By request id: tokens that an aborting client had received, and requested.
    left: dict[str, Size] = field(default_factory=dict)
    # Calls repeated with one Idempotency-Key until they had a response.
    repeated: set[Size] = field(default_factory=set)
    broken: int = 0
    refused: dict[str, int] = field(default_factory=dict)


class Clients:
    """Clients that call gateways until `stop`. `urls` returns the running gateways."""

    def __init__(self, urls: Callable[[], list[str]], secret: str, seed: int) -> None:
        self._urls = urls
        self._headers = {"authorization": f"Bearer {secret}"}
        self._chance = random.Random(seed)
        # Prompts of a plain call have 1 to 60 words, of a stream 61 to 300, of others more.
        self._plain = ((1 + n % 60, 5 + n // 60) for n in itertools.count())
        self._streamed = ((61 + n % 240, 5 + n // 240) for n in itertools.count())
        self._repeated = ((301 + n % 60, 5 + n // 60) for n in itertools.count())
        self._stopping = False
        # Calls without any response data yet.
        self._unheard: set[int] = set()
        self._calls = itertools.count()
        self.seen = Seen()

    async def run(self, each: int) -> None:
        """Run a number of clients of each kind until `stop`."""
        kinds = (self._call_plain, self._call_streamed, self._leave, self._repeat)
        async with (
            aiohttp.ClientSession(
                headers=self._headers,
                connector=aiohttp.TCPConnector(limit=0),
                timeout=aiohttp.ClientTimeout(total=_PATIENCE_S),
                trace_configs=[self._watched()],
            ) as http,
            asyncio.TaskGroup() as group,
        ):
            for kind in kinds * each:
                group.create_task(self._go_on(kind, http))

    def stop(self) -> None:
        """Start no more calls; running ones complete."""
        self._stopping = True

    async def another(self, number: int) -> None:
        """Wait for a number of further complete responses."""
        wanted = len(self.seen.whole) + number
        await self.until(lambda: len(self.seen.whole) >= wanted)

    async def heard(self) -> None:
        """Wait until gateways have started to respond to all running calls: a call would be lost if
        a gateway stopped listening before it has read the request."""
        waiting = set(self._unheard)
        await self.until(lambda: not waiting & self._unheard)

    def _watched(self) -> aiohttp.TraceConfig:
        async def begun(_http: Any, context: Any, _about: Any) -> None:
            context.number = next(self._calls)
            self._unheard.add(context.number)

        async def ended(_http: Any, context: Any, _about: Any) -> None:
            self._unheard.discard(context.number)

        config = aiohttp.TraceConfig()
        config.on_request_start.append(begun)
        config.on_request_end.append(ended)
        config.on_request_exception.append(ended)
        return config

    async def until(self, true: Callable[[], object]) -> None:
        """Wait for a condition on what clients have seen."""
        async with asyncio.timeout(_PATIENCE_S):
            while not true():  # noqa: ASYNC110  # clients only count
                await asyncio.sleep(0.02)

    async def _go_on(
        self, kind: Callable[[aiohttp.ClientSession], Awaitable[None]], http: aiohttp.ClientSession
    ) -> None:
        while not self._stopping:
            self.seen.sent += 1
            try:
                await kind(http)
            except (aiohttp.ClientError, ConnectionError, TimeoutError):
                self.seen.broken += 1
            await asyncio.sleep(self._chance.uniform(0, _PAUSE_S))

    async def _call_plain(self, http: aiohttp.ClientSession) -> None:
        size = next(self._plain)
        async with self._post(http, size) as answer:
            document = await answer.json()
            if self._is_good(answer, document):
                self.seen.whole[_request_id(answer)] = _size(document["usage"])

    async def _call_streamed(self, http: aiohttp.ClientSession) -> None:
        size = next(self._streamed)
        async with self._post(http, size, stream=True) as answer:
            text = (await answer.read()).decode()
            if not self._is_good(answer, {} if answer.status == 200 else json.loads(text)):
                return
            events = [event for event in text.split("\n\n") if event]
            if events[-1] == "data: [DONE]":
                total = json.loads(events[-2].removeprefix("data: "))
                self.seen.whole[_request_id(answer)] = _size(total["usage"])

    async def _leave(self, http: aiohttp.ClientSession) -> None:
        """Read some events of a slow stream, and close the connection."""
        asked, enough = 200, self._chance.randrange(1, 12)
        async with self._post(http, (400, asked), verb="drip", stream=True) as answer:
            told = 0
            async for line in answer.content:
                if line.startswith(b"data: {") and b'"choices":[{' in line:
                    told += 1
                if told == enough:
                    self.seen.left[_request_id(answer)] = (told, asked)
                    answer.close()
                    return

    async def _repeat(self, http: aiohttp.ClientSession) -> None:
        """Repeat a request with one idempotency key at any gateway until it has a response."""
        size = next(self._repeated)
        key = f"{size[0]}-{size[1]}"
        deadline = time.monotonic() + _PATIENCE_S
        why = "nothing"
        while time.monotonic() < deadline:
            try:
                async with self._post(http, size, key=key) as answer:
                    document = await answer.json()
                    if self._is_good(answer, document):
                        self.seen.repeated.add(size)
                        return
                    why = document["error"]["code"]
            except (aiohttp.ClientError, ConnectionError, TimeoutError) as error:
                self.seen.broken += 1
                why = repr(error)
            await asyncio.sleep(0.3)
        raise AssertionError(f"no answer under the key {key}, at last: {why}")

    def _post(
        self,
        http: aiohttp.ClientSession,
        size: Size,
        verb: str = "word",
        key: str | None = None,
        **values: Any,
    ) -> Any:
        words, tokens = size
        url = self._chance.choice(self._urls())
        body = {
            "model": CHAT,
            "messages": [{"role": "user", "content": verb + " word" * (words - 1)}],
            "max_tokens": tokens,
            **values,
        }
        if "stream" in values:
            body["stream_options"] = {"include_usage": True}
        headers = {} if key is None else {"idempotency-key": key}
        return http.post(f"{url}/v1/chat/completions", json=body, headers=headers)

    def _is_good(self, answer: aiohttp.ClientResponse, document: Mapping[str, Any]) -> bool:
        if answer.status == 200:
            return True
        code = document["error"]["code"]
        self.seen.refused[code] = self.seen.refused.get(code, 0) + 1
        return False


async def usage_rows(database: Database) -> list[Row]:
    """All usage rows as in the API, with the cost also as a number."""
    async with database.transaction() as session:
        rows = await list_usage(session, account_id=None, limit=1_000_000)
    return [{**usage_to_json(row), "cost_nano": row.cost_nano} for row in rows]


def whole_answers_are_billed(seen: Seen, rows: list[Row]) -> None:
    """Each complete response has one usage row with its exact token counts."""
    by_id = {row["request_id"]: row for row in rows}
    assert len(by_id) == len(rows)
    for request_id, size in seen.whole.items():
        row = by_id[request_id]
        assert row["settlement"] == "complete"
        assert size_of(row) == size
        assert row["cost_nano"] == cost_of(row)


async def all_settled(database: Database, processes: int | None = None) -> ReconciliationResult:
    """Wait until no call is open, no reservation is held and a number of processes is left; check
    meanwhile that the records agree."""
    async with asyncio.timeout(_PATIENCE_S):
        while True:
            async with database.transaction() as session:
                found = await reconcile(session)
            assert not found.differences
            done = processes is None or found.processes == processes
            if done and not (found.held or found.open_calls):
                return found
            await asyncio.sleep(0.2)


def size_of(row: Row) -> Size:
    return row["input_tokens"], row["output_tokens"]


def cost_of(row: Row) -> int:
    """The expected cost by token counts and list prices."""
    cost: int = row["input_tokens"] * INPUT + row["output_tokens"] * OUTPUT
    return cost


def _request_id(answer: aiohttp.ClientResponse) -> str:
    return answer.headers["x-request-id"]


def _size(usage: Mapping[str, int]) -> Size:
    return usage["prompt_tokens"], usage["completion_tokens"]
