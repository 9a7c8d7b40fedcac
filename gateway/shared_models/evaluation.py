"""Evaluate a proposed version against the current one on held-out examples.

Both versions answer on the serving processes that also serve customers. A version that a server has
not loaded is sent to it, like the gateway does. These calls are not billed.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import httpx

from gateway.call.errors import UpstreamFailed
from gateway.shared_models.examples import SharedExample
from gateway.upstream.error_mapping import VARIANT_NOT_LOADED
from models.industrial_llm.asking import ChatClient, ChatServerError, Prompt
from models.industrial_llm.comparing import (
    Verdict,
    answer_score,
    compare_scores,
    decide_verdict,
    text_similarity,
)
from models.industrial_llm.data import TASKS
from models.industrial_llm.evaluate import EvaluationOptions, build_prompts
from models.industrial_llm.examples import DatasetSplit
from models.industrial_llm.examples import Example as TaskExample
from models.industrial_llm.scoring import AnsweredExample

# The task name of the accounts' held-out examples.
FEEDBACK_TASK = "feedback"
# Low, so that customers' calls are not delayed.
_CONCURRENCY = 2
# Sample size per task, smaller for tasks with long answers: otherwise work orders as JSON would
# take three quarters of the evaluation time.
_MAX_PER_TASK, _MIN_PER_TASK, _ANSWER_BYTES_PER_TASK = 200, 60, 20_000
_MAX_ANSWER_TOKENS = 512
_MAX_LOADS = 3
_LOAD_TIMEOUT_S = 60.0
# Wait out a server restart, which takes minutes: repeating the training would take longer.
_MAX_RETRIES, _RETRY_DELAY_S = 30, 10.0
_UNAVAILABLE_STATUSES = frozenset(
    {httpx.codes.BAD_GATEWAY, httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.GATEWAY_TIMEOUT}
)


@dataclass(frozen=True, slots=True)
class Contender:
    """A version to evaluate.

    `upstream_name` is the servers' model name. `load_body` is sent to `load_path` if a server has
    not loaded the version; both are empty for the built-in version.
    """

    number: int
    upstream_name: str
    load_path: str = ""
    load_body: bytes = b""


@dataclass(frozen=True, slots=True)
class EvaluationResult:
    """The verdict on a version compared to `previous_number`, with the scores behind it."""

    previous_number: int
    verdict: Verdict
    scores: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Evaluator:
    """Evaluates versions on one server. An evaluation takes minutes."""

    server: str
    corpus: Mapping[str, DatasetSplit]
    held_out: Sequence[SharedExample]

    async def evaluate(
        self, before: Contender, after: Contender, report: Callable[[str], None]
    ) -> EvaluationResult:
        """Compare the answers of two versions. Raises UpstreamFailed if one does not answer."""
        task_scores = []
        for contender in (before, after):
            report(f"Version {contender.number} is being evaluated on held-out examples.")
            task_scores.append(await self._score_answers(contender))
        tasks = {
            name: compare_scores(values, task_scores[1][name])
            for name, values in task_scores[0].items()
        }
        decided = decide_verdict(tasks)
        scores = {
            "against": before.number,
            "tasks": {name: asdict(comparison) for name, comparison in tasks.items()},
            **{name: value for name, value in asdict(decided).items() if name != "beats"},
        }
        return EvaluationResult(before.number, decided, scores)

    async def _score_answers(self, contender: Contender) -> dict[str, list[float]]:
        """Ask a version the test and held-out questions; return its answers' scores by task."""
        transport = LoadOnMissTransport(self.server, contender)
        server = ChatClient(
            f"{self.server}/v1", "", contender.upstream_name, transport, _CONCURRENCY
        )
        scores: dict[str, list[float]] = {}
        try:
            for name, parts in self.corpus.items():
                if parts.test:
                    scores[name] = await _score_task(server, name, parts)
            if self.held_out:
                scores[FEEDBACK_TASK] = await _score_feedback(server, self.held_out)
        except ChatServerError as error:
            raise UpstreamFailed(f"Version {contender.number} could not be evaluated.") from error
        return scores


async def _score_task(server: ChatClient, name: str, parts: DatasetSplit) -> list[float]:
    """Score a version's answers to the test examples of one task."""
    sampled = build_prompts(TASKS[name], parts, EvaluationOptions(limit=sample_size(parts.test)))
    answers = await server.complete_all_async([prompt for _, prompt in sampled], _ignore_progress)
    return [
        answer_score(AnsweredExample(example, answer))
        for (example, _), answer in zip(sampled, answers, strict=True)
    ]


def sample_size(examples: Sequence[TaskExample]) -> int:
    """Return how many of a task's examples to evaluate, by the average answer length."""
    average_bytes = sum(len(example.answer.encode()) for example in examples) / max(
        1, len(examples)
    )
    return max(
        _MIN_PER_TASK, min(_MAX_PER_TASK, int(_ANSWER_BYTES_PER_TASK / max(1.0, average_bytes)))
    )


async def _score_feedback(server: ChatClient, held_out: Sequence[SharedExample]) -> list[float]:
    """Score a version's answers by likeness to the accounts' held-out answers."""
    answers = await server.complete_all_async(
        [_to_prompt(example) for example in held_out], _ignore_progress
    )
    return [
        text_similarity(answer, example.answer)
        for example, answer in zip(held_out, answers, strict=True)
    ]


def _ignore_progress(_done: int) -> None:
    """Progress callback that does nothing."""


class LoadOnMissTransport(httpx.AsyncBaseTransport):
    """HTTP transport that loads a version on servers that lack it, and retries unavailable servers.

    One address may be several servers behind a load balancer, so loading can be needed repeatedly.
    """

    def __init__(self, server: str, contender: Contender) -> None:
        self._url = server + contender.load_path
        self._contender = contender

    async def __aenter__(self) -> "LoadOnMissTransport":
        # Created here, in the event loop that makes the calls.
        self._network = httpx.AsyncHTTPTransport()
        return self

    async def aclose(self) -> None:
        """Close the connections."""
        await self._network.aclose()

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; if the server lacks the version, load it and send again."""
        for _ in range(_MAX_LOADS):
            response = await self._send_with_retries(request)
            if response.status_code != httpx.codes.NOT_FOUND or not self._contender.load_body:
                return response
            if VARIANT_NOT_LOADED.encode() not in await response.aread():
                return response
            await self._load_version()
        return await self._send_with_retries(request)

    async def _send_with_retries(self, request: httpx.Request) -> httpx.Response:
        """Send a request, again after a delay while the server is unavailable."""
        for _ in range(_MAX_RETRIES):
            try:
                response = await self._network.handle_async_request(request)
            except (httpx.NetworkError, httpx.RemoteProtocolError):
                pass
            else:
                if response.status_code not in _UNAVAILABLE_STATUSES:
                    return response
                await response.aclose()
            await asyncio.sleep(_RETRY_DELAY_S)
        return await self._network.handle_async_request(request)

    async def _load_version(self) -> None:
        """Upload the version to the server; the response status is not checked."""
        headers = {"content-type": "application/json"}
        timeouts = {name: _LOAD_TIMEOUT_S for name in ("connect", "read", "write", "pool")}
        request = httpx.Request(
            "PUT",
            self._url,
            headers=headers,
            content=self._contender.load_body,
            extensions={"timeout": timeouts},
        )
        response = await self._network.handle_async_request(request)
        await response.aread()


def _to_prompt(example: SharedExample) -> Prompt:
    """Return the example's messages as a prompt, with a limit on answer tokens."""
    messages = tuple({"role": role, "content": content} for role, content in example.messages)
    return Prompt(messages, _MAX_ANSWER_TOKENS)
