"""Ask two versions of an adapter on the engine's server in this process, without Ray Serve.

python -m tests.serving.text.ask_versions WEIGHTS ADAPTERS ANSWERS

Writes the answers of version 1 and 2 to the file ANSWERS as JSON: `alone`, without what the engine
kept of other calls; `in_turn`, the same prompt again; and `at_once`.
"""

import asyncio
import sys
from pathlib import Path
from typing import Any

import msgspec
from ray.llm._internal.serve.core.configs.openai_api_models import ChatCompletionRequest

from serving.text import engine_server
from tests.serving.text.made_up_engine import made_up_settings

_PROMPT = "The pump of line three stands in hall four. " * 12
_IN_TURN = (1, 2, 1, 2)


class _NoCounters:
    """In place of counters that carry the name of a replica of Ray Serve."""

    def __init__(self, *_arguments: object) -> None:
        pass

    def save_final(self) -> None:
        """Nothing is counted."""


async def _ask(server: Any, version: int, salt: str | None = None) -> dict[str, Any]:
    """The answer of a version; with a salt, from a cache that no other call uses."""
    request = ChatCompletionRequest(
        model=f"engine:var_v{version}",
        messages=[{"role": "user", "content": _PROMPT}],
        max_tokens=8,
        temperature=0,
        logprobs=True,
        cache_salt=salt,
    )
    responses = await server._run_request(request, engine_method="chat")
    answer: dict[str, Any] = (await anext(responses)).model_dump()
    if "error" in answer:
        return answer
    (choice,) = answer["choices"]
    return {
        "model": answer["model"],
        "tokens": [token["token"] for token in choice["logprobs"]["content"]],
    }


async def _ask_all(weights: Path, adapters: Path) -> dict[str, Any]:
    settings = made_up_settings(weights, adapters)
    settings.pop("deployment_config", None)
    server = await engine_server.start_engine(settings)
    try:
        return {
            "alone": [await _ask(server, one, f"only {one}") for one in (1, 2)],
            "in_turn": [await _ask(server, one) for one in _IN_TURN],
            "at_once": await asyncio.gather(*(_ask(server, one) for one in _IN_TURN)),
        }
    finally:
        await server.stop()


if __name__ == "__main__":
    engine_server.ReplicaCounters = _NoCounters  # type: ignore[assignment,misc]
    found = asyncio.run(_ask_all(Path(sys.argv[1]), Path(sys.argv[2])))
    Path(sys.argv[3]).write_bytes(msgspec.json.encode(found))
