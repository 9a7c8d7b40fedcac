"""Engine parameters: send every request field of vLLM that is not OpenAI's on each endpoint, and
ask an engine that puts its own fields at every level of an answer.

Prints how many fields reach the model server, and which of the engine's fields a client receives.
"""

import asyncio
import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import httpx

from tests.attacks.support.target import Target, run_target
from tests.support.builders import CHAT, EMBEDDING

# Of vLLM 0.29's request models, what is neither OpenAI's nor a sampling setting; a value each that
# the engine would take.
FIELDS: Mapping[str, Any] = {
    "add_generation_prompt": False,
    "add_special_tokens": True,
    "allowed_token_ids": [1, 2],
    "bad_words": ["a"],
    "cache_salt": "salt",
    "chat_template": "{{ messages }}",
    "chat_template_kwargs": {"a": "b"},
    "continue_final_message": True,
    "documents": [{"title": "a", "text": "b"}],
    "ec_transfer_params": {"a": 1},
    "include_reasoning": True,
    "include_stop_str_in_output": True,
    "kv_transfer_params": {"do_remote_prefill": True},
    "length_penalty": 2.0,
    "logprob_token_ids": [1],
    "media_io_kwargs": {"video": {"num_frames": 100_000}},
    "min_tokens": 4000,
    "mm_processor_kwargs": {"num_crops": 1000},
    "padding": "max_length",
    "priority": -1000,
    "prompt_embeds": "gASVAAAA",
    "prompt_logprobs": 20,
    "repetition_detection": {"max_pattern_size": 1},
    "request_id": "mine",
    "return_assistant_tokens_mask": True,
    "return_prompt_text": True,
    "return_token_ids": True,
    "return_token_offsets": True,
    "return_tokens_as_token_ids": True,
    "routed_experts_prompt_start": 0,
    "session_id": "another's",
    "skip_special_tokens": False,
    "spaces_between_special_tokens": False,
    "stream_interval": 1000,
    "structured_outputs": {"regex": "(a{1000}){1000}"},
    "thinking_token_budget": 1,
    "truncate_prompt_tokens": 1,
    "truncation_side": "left",
    "use_activation": False,
    "use_beam_search": True,
    "vllm_xargs": {"a": 1},
}
INTERNALS: Mapping[str, Any] = {
    "ec_transfer_params": {"a": 1},
    "kv_transfer_params": {"remote_host": "10.0.0.7", "remote_port": 5600},
    "metrics": {"queue_time": 0.1},
    "prompt_logprobs": [None],
    "prompt_text": "<|im_start|>",
    "prompt_token_ids": [1, 2],
    "routed_experts": "gASV",
    "stop_reason": 151645,
    "system_fingerprint": "vllm-0.29.0-tp1",
    "token_ids": [3],
}
PICTURE = "data:image/png;base64,iVBORw0KGgo="
# Nested ones, each as a message's part.
PARTS: tuple[Mapping[str, Any], ...] = (
    {"type": "image_url", "image_url": {"url": PICTURE}, "uuid": "another's"},
    {"type": "image_embeds", "image_embeds": "gASVAAAA"},
    {"type": "prompt_embeds", "prompt_embeds": "gASVAAAA"},
)


def endpoints() -> Iterator[tuple[str, dict[str, Any]]]:
    """Each endpoint with its minimal body."""
    chat = {"model": CHAT, "messages": [{"role": "user", "content": "a"}], "max_tokens": 2}
    yield "/v1/chat/completions", chat
    yield "/v1/completions", {"model": CHAT, "prompt": "a", "max_tokens": 2}
    yield "/v1/embeddings", {"model": EMBEDDING, "input": "a"}


async def reached(target: Target, http: httpx.AsyncClient) -> int:
    """The number of engine-only fields that reach the model server."""
    total = 0
    for path, body in endpoints():
        names = [name for name in FIELDS if await _reaches(target, http, path, body, name)]
        total += len(names)
        _print(f"{path}: {len(names)} of {len(FIELDS)} fields reach the model server")
    _, chat = next(endpoints())
    for part in PARTS:
        before = len(target.upstream.received)
        message = {"role": "user", "content": [{"type": "text", "text": "a"}, part]}
        await http.post("/v1/chat/completions", json={**chat, "messages": [message]})
        total += len(target.upstream.received) - before
    _print(f"with parts of messages: {total} in all")
    return total


async def _reaches(
    target: Target, http: httpx.AsyncClient, path: str, body: dict[str, Any], name: str
) -> bool:
    before = len(target.upstream.received)
    await http.post(path, json={**body, name: FIELDS[name]})
    return any(name in received for received in target.upstream.received[before:])


async def leaked(target: Target, http: httpx.AsyncClient) -> set[str]:
    """The engine's fields that a client receives, plain and streamed."""
    target.upstream.internals = dict(INTERNALS)
    seen: set[str] = set()
    for path, body in endpoints():
        streams = [{}] if "input" in body else [{}, {"stream": True}]
        for stream in streams:
            answer = await http.post(path, json={**body, **stream})
            found = {name for name in INTERNALS if json.dumps(name) in answer.text}
            _print(f"{path} {stream or 'plain'}: {answer.status_code}, shows {sorted(found)}")
            seen |= found
            if answer.status_code != 200:
                seen.add("no answer")
    return seen


async def length(target: Target, http: httpx.AsyncClient) -> Any:
    """The length limit sent to the engine when the client sets none."""
    await http.post("/v1/completions", json={"model": CHAT, "prompt": "a"})
    return target.upstream.received[-1].get("max_tokens")


async def _attack() -> bool:
    async with (
        run_target() as target,
        httpx.AsyncClient(base_url=target.url, headers=target.headers, timeout=60) as http,
    ):
        fields = await reached(target, http)
        told = await length(target, http)
        _print(f"a completion without max_tokens asks the engine for {told}")
        seen = await leaked(target, http)
        _print(f"fields of the engine in answers: {len(seen)}")
        return fields == 0 and not seen and told == 16


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def main() -> int:
    return 0 if asyncio.run(_attack()) else 1


if __name__ == "__main__":
    sys.exit(main())
