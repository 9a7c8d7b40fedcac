"""Streams that pass more tokens than X-Max-Cost pays for: an engine that answers in few chunks.

The engine generates 4,000 tokens regardless of its limit, in 1, 2, 4, 40 or 4,000 chunks, as with a
tool parser or a large `stream_interval`. Prints delivered and billed tokens, cost and limit.
"""

import asyncio
import json
import sys
from typing import Any

import httpx

from tests.attacks.support.target import Target, run_target
from tests.support.builders import CHAT

LIMIT = "0.0034"
TOKENS = 4_000
CHUNKS = (1, 2, 4, 40, 4_000)


async def attack(target: Target, http: httpx.AsyncClient, chunks: int) -> bool:
    target.upstream.stride, target.upstream.generates = TOKENS // chunks, TOKENS
    body = {
        "model": CHAT,
        "messages": [{"role": "user", "content": "endless words"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    answer = await http.post("/v1/chat/completions", json=body, headers={"x-max-cost": LIMIT})
    usage = await http.get("/v1/usage", params={"limit": 1})
    row = usage.json()["data"][0]
    delivered = _delivered(answer.text)
    sys.stdout.write(
        f"{chunks:>5} chunks: delivered {delivered:>5} tokens, billed {row['output_tokens']:>5} "
        f"({row['output_tokens'] / max(1, delivered):.1%}), cost {row['cost']}, limit {LIMIT}, "
        f"max_tokens sent {target.upstream.received[-1].get('max_tokens')}\n"
    )
    return delivered == row["output_tokens"] and float(row["cost"]) <= float(LIMIT)


def _delivered(text: str) -> int:
    """The highest token number in the texts of the chunks."""
    counts = [0]
    for event in text.split("\n\n"):
        if event.startswith("data: {"):
            said: dict[str, Any] = json.loads(event[6:])
            texts = [one["delta"].get("content") or "" for one in said["choices"]]
            counts += [int(one.split("{")[1].rstrip("}")) for one in texts if "{" in one]
    return max(counts)


async def run() -> int:
    async with (
        run_target() as target,
        httpx.AsyncClient(base_url=target.url, headers=target.headers, timeout=60) as http,
    ):
        held = [await attack(target, http, chunks) for chunks in CHUNKS]
    return 0 if all(held) else 1


def main() -> int:
    return asyncio.run(run())


if __name__ == "__main__":
    sys.exit(main())
