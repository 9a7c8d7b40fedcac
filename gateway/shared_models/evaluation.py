"""Judging a proposed version: its answers beside those of the version that it is to follow.

Owns asking serving, the very servers that customers are answered by, for both; and bringing a
version to a server that has not got it, as the gateway does. Nobody is billed.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import httpx

from gateway.call.errors import UpstreamFailed
from gateway.shared_models.examples import Example
from gateway.upstream.error_mapping import NOT_LOADED
from models.industrial_llm.asking import Prompt, Server, ServerUnfit
from models.industrial_llm.comparing import Verdict, compared, likeness, verdict, worth
from models.industrial_llm.data import TASKS
from models.industrial_llm.evaluate import Judged, prompts
from models.industrial_llm.examples import Example as TaskExample
from models.industrial_llm.examples import Parts
from models.industrial_llm.scoring import Answered

# By this name what accounts gave stands beside the tasks.
FEEDBACK = "feedback"
# Fewer than customers' calls are: these come behind them.
_AT_ONCE = 2
# Of a task so many, but of one whose answers are long no more than take about as long: whole
# work orders as JSON would be three quarters of the time that it takes to judge.
_MOST_A_TASK, _FEWEST_A_TASK, _BYTES_A_TASK = 200, 60, 20_000
_LONGEST = 512
_MOST_BRINGS = 3
_BRINGING_S = 60.0
# A server that is begun again is back within some minutes; learning took longer.
_MOST_WAITS, _WAIT_S = 30, 10.0
_AWAY = frozenset(
    {httpx.codes.BAD_GATEWAY, httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.GATEWAY_TIMEOUT}
)


@dataclass(frozen=True, slots=True)
class Rival:
    """A version to be asked: `place` is what servers call it, `carried` is what they are given
    where they have not got it, at `path`. The built-in one every server has."""

    number: int
    place: str
    path: str = ""
    carried: bytes = b""


@dataclass(frozen=True, slots=True)
class Judgement:
    """Whether the version beats the one that is numbered `against`, and all that this was decided
    by."""

    against: int
    verdict: Verdict
    scores: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Judge:
    """Of one server; to judge takes minutes."""

    server: str
    corpus: Mapping[str, Parts]
    held_out: Sequence[Example]

    async def judge(self, before: Rival, after: Rival, report: Callable[[str], None]) -> Judgement:
        """Raises UpstreamFailed where a version does not answer."""
        found = []
        for rival in (before, after):
            report(f"Version {rival.number} answers what is held out.")
            found.append(await self._worths(rival))
        tasks = {name: compared(worths, found[1][name]) for name, worths in found[0].items()}
        decided = verdict(tasks)
        scores = {
            "against": before.number,
            "tasks": {name: asdict(one) for name, one in tasks.items()},
            **{name: value for name, value in asdict(decided).items() if name != "beats"},
        }
        return Judgement(before.number, decided, scores)

    async def _worths(self, rival: Rival) -> dict[str, list[float]]:
        """What each answer is worth, by task, in the order of the examples."""
        bringing = Bringing(self.server, rival)
        server = Server(f"{self.server}/v1", "", rival.place, bringing, _AT_ONCE)
        found: dict[str, list[float]] = {}
        try:
            for name, parts in self.corpus.items():
                if parts.test:
                    found[name] = await _of_task(server, name, parts)
            if self.held_out:
                found[FEEDBACK] = await _of_accounts(server, self.held_out)
        except ServerUnfit as error:
            raise UpstreamFailed(f"Version {rival.number} could not be asked.") from error
        return found


async def _of_task(server: Server, name: str, parts: Parts) -> list[float]:
    asked = prompts(TASKS[name], parts, Judged(limit=how_many(parts.test)))
    answers = await server.gather([prompt for _, prompt in asked], _untold)
    return [worth(Answered(one, said)) for (one, _), said in zip(asked, answers, strict=True)]


def how_many(examples: Sequence[TaskExample]) -> int:
    """Of a task's examples, by how long its answers are on average."""
    each = sum(len(one.answer.encode()) for one in examples) / max(1, len(examples))
    return max(_FEWEST_A_TASK, min(_MOST_A_TASK, int(_BYTES_A_TASK / max(1.0, each))))


async def _of_accounts(server: Server, held_out: Sequence[Example]) -> list[float]:
    answers = await server.gather([_prompt(one) for one in held_out], _untold)
    return [likeness(said, one.answer) for one, said in zip(held_out, answers, strict=True)]


def _untold(_done: int) -> None:
    """Nobody waits for each answer."""


class Bringing(httpx.AsyncBaseTransport):
    """The network, where a server that has not got a version is given it and asked again, and one
    that is away is waited for. Behind one address may be several, of which each may have to be."""

    def __init__(self, server: str, rival: Rival) -> None:
        self._url = server + rival.path
        self._rival = rival

    async def __aenter__(self) -> "Bringing":
        # Of the event loop that the calls are made in.
        self._network = httpx.AsyncHTTPTransport()
        return self

    async def aclose(self) -> None:
        await self._network.aclose()

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        for _ in range(_MOST_BRINGS):
            answer = await self._patiently(request)
            if answer.status_code != httpx.codes.NOT_FOUND or not self._rival.carried:
                return answer
            if NOT_LOADED.encode() not in await answer.aread():
                return answer
            await self._bring()
        return await self._patiently(request)

    async def _patiently(self, request: httpx.Request) -> httpx.Response:
        for _ in range(_MOST_WAITS):
            try:
                answer = await self._network.handle_async_request(request)
            except (httpx.NetworkError, httpx.RemoteProtocolError):
                pass
            else:
                if answer.status_code not in _AWAY:
                    return answer
                await answer.aclose()
            await asyncio.sleep(_WAIT_S)
        return await self._network.handle_async_request(request)

    async def _bring(self) -> None:
        headers = {"content-type": "application/json"}
        wait = {name: _BRINGING_S for name in ("connect", "read", "write", "pool")}
        given = httpx.Request(
            "PUT",
            self._url,
            headers=headers,
            content=self._rival.carried,
            extensions={"timeout": wait},
        )
        answer = await self._network.handle_async_request(given)
        await answer.aread()


def _prompt(example: Example) -> Prompt:
    messages = tuple({"role": role, "content": content} for role, content in example.messages)
    return Prompt(messages, _LONGEST)
