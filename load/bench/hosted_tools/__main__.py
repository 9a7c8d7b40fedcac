"""`python -m load.bench.hosted_tools --key maas_…`: 130 requests to a running service.

Prints how often specialist, inputs and final answer were right, with 95 % intervals (scoring.py has
the rule). `--held-out` asks the requests of held_out.py in their place. With the data sets,
held-out rows of AI4I and engines of C-MAPSS are asked in words too, and compared with the
specialist asked directly and with the language model alone (`--alone`).
"""

import argparse
import asyncio
import os
import random
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp

from load.bench.hosted_tools.data_rows import engine_rows, milling_rows
from load.bench.hosted_tools.held_out import Part, read_held_out
from load.bench.hosted_tools.requests import BenchRequest, Expected, read_requests
from load.bench.hosted_tools.scoring import Score, agrees, score, wilson

_CONCURRENCY = 2
_ALL = "all"
_HINTS = {
    "failure": "Answer yes or no. 请回答 yes 或 no。",
    "remaining_life": "Answer with one number. 请只回答一个数字。",
}
_SEED = 31


class Service:
    """A running service, asked with one key."""

    def __init__(self, session: aiohttp.ClientSession, url: str, model: str) -> None:
        self._session = session
        self._url = url
        self._model = model

    async def ask(self, text: str, with_tool: bool = True) -> dict[str, Any]:
        """Return the chat completion for a text, with the specialists or without."""
        body: dict[str, Any] = {
            "model": self._model,
            "messages": [{"role": "user", "content": text}],
            "max_tokens": 200,
        }
        if with_tool:
            body["tools"] = [{"type": "specialist"}]
        headers = {} if with_tool else {"x-maas-hosted-tools": "deny"}
        return await self._post("/v1/chat/completions", body, headers)

    async def predict(self, request: BenchRequest) -> Mapping[str, Any]:
        """Return the outputs of the specialist that takes the request's inputs."""
        row = {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in request.inputs.items()
        }
        body = {"model": "auto", "instances": [row]}
        answer = await self._post("/v1/predictions", body, {})
        return dict(answer.get("predictions", [{}])[0])

    async def _post(
        self, path: str, body: Mapping[str, Any], headers: Mapping[str, str]
    ) -> dict[str, Any]:
        """Post a body; an error of the service is returned as an answer without text."""
        async with self._session.post(self._url + path, json=body, headers=headers) as response:
            answer: dict[str, Any] = await response.json()
        if "error" in answer:
            sys.stderr.write(f"{answer['error']['message']}\n")
            return {"choices": [{"message": {"content": ""}}]}
        return answer


async def run(options: argparse.Namespace) -> str:
    """Ask everything and return the report."""
    headers = {"authorization": f"Bearer {options.key}"}
    timeout = aiohttp.ClientTimeout(total=600)
    async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
        service = Service(session, options.url, options.model)
        requests = _requests(options.held_out)
        rows = {
            "AI4I in words": milling_rows(options.data, options.rows, balanced=options.balanced),
            "C-MAPSS in words": engine_rows(options.data, options.engines),
        }
        groups = {
            "one specialist": [one for one in requests if not one.is_mixed],
            "mixed": [one for one in requests if one.is_mixed],
            **rows,
        }
        lines = []
        for name, group in groups.items():
            if group:
                chosen = _sample(group, options.sample)
                lines.append(await _report(service, name, chosen, options.show))
        if options.alone:
            for name, group in rows.items():
                if group:
                    lines.append(await _report_alone(service, name, group))
    return "\n".join(lines)


def _requests(held_out: str | None) -> list[BenchRequest]:
    """Return the requests of requests.tsv, or the held-out ones: a part, or `all`."""
    if held_out is None:
        return read_requests()
    return read_held_out(None if held_out == _ALL else Part(held_out))


def _sample(requests: Sequence[BenchRequest], size: int | None) -> Sequence[BenchRequest]:
    """Return so many requests, chosen at random with a fixed seed, or all of them."""
    if size is None or size >= len(requests):
        return requests
    return random.Random(_SEED).sample(list(requests), size)


async def _report(service: Service, name: str, requests: Sequence[BenchRequest], show: bool) -> str:
    """Ask requests, a few at a time, and return a line of the report."""
    limit = asyncio.Semaphore(_CONCURRENCY)
    started = time.monotonic()

    async def one(request: BenchRequest) -> Score:
        async with limit:
            answer = await service.ask(request.text)
            is_decided = request.expected is Expected.DECISION
            direct = await service.predict(request) if is_decided else {}
        scored = score(request, answer, direct)
        if show and not scored.final:
            text = answer["choices"][0]["message"]["content"]
            sys.stderr.write(f"{scored} {request.task} | {request.text} | {text}\n")
        return scored

    scores = await asyncio.gather(*(one(request) for request in requests))
    count, seconds = len(scores), time.monotonic() - started
    shares = (
        _share(what, sum(getattr(one, what) for one in scores), count)
        for what in ("specialist", "inputs", "final")
    )
    return f"{name}: {count} requests, right: {', '.join(shares)}; {seconds / count:.1f} s each"


def _share(what: str, right: int, count: int) -> str:
    """Return a share with its 95 % interval."""
    low, high = wilson(right, count)
    return f"{what} {right / count:.1%} ({low:.1%} to {high:.1%})"


async def _report_alone(service: Service, name: str, requests: Sequence[BenchRequest]) -> str:
    """Ask the language model alone; count the answers that are the specialist's."""
    right = 0
    for request in requests:
        direct = await service.predict(request)
        hint = _HINTS["failure" if "failure" in direct else "remaining_life"]
        answer = await service.ask(f"{request.text} {hint}", with_tool=False)
        right += agrees(str(answer["choices"][0]["message"]["content"]), direct)
    share = _share("agrees with the specialist in", right, len(requests))
    return f"{name}, language model alone: {share}"


def _data_folder() -> Path:
    """Return the data sets' folder: `MAAS_TRAINING_DATA`, or beside the repository."""
    beside = Path(__file__).resolve().parents[4] / "shared" / "data"
    return Path(os.environ.get("MAAS_TRAINING_DATA") or beside)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark and print the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8080", help="the service")
    parser.add_argument("--key", required=True, help="an API key, whose account pays")
    parser.add_argument("--model", default="auto", help="the language model")
    parser.add_argument("--data", type=Path, default=_data_folder(), help="data sets")
    parser.add_argument("--sample", type=int, help="at most so many requests of each group")
    parser.add_argument("--rows", type=int, default=100, help="rows of AI4I, 0 for none")
    parser.add_argument("--balanced", action="store_true", help="half of the rows are failures")
    parser.add_argument("--engines", type=int, default=40, help="engines of C-MAPSS, 0 for none")
    parser.add_argument("--held-out", choices=[*Part, _ALL], help="the held-out requests")
    parser.add_argument("--alone", action="store_true", help="ask the language model alone too")
    parser.add_argument("--show", action="store_true", help="print what was wrong")
    sys.stdout.write(asyncio.run(run(parser.parse_args(arguments))) + "\n")


if __name__ == "__main__":
    main()
