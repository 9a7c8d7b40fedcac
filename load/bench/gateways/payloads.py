"""The request and the constant responses, the same for every gateway, in vLLM's format."""

from typing import Any

CHUNKS = 64
PAUSE_S = 0.02
_WORD = " spindle"
_PROMPT = 34

# No list of models: the gateway then takes the upstream to serve all models of its catalog.
MODELS: dict[str, Any] = {"object": "list", "data": []}

_USAGE = {"prompt_tokens": _PROMPT, "total_tokens": _PROMPT + CHUNKS, "completion_tokens": CHUNKS}

PLAIN: dict[str, Any] = {
    "id": "chatcmpl-0123456789abcdef",
    "object": "chat.completion",
    "created": 1760000000,
    "model": "bench",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": _WORD * CHUNKS},
            "logprobs": None,
            "finish_reason": "length",
        }
    ],
    "usage": _USAGE,
}


def chat_request(model: str, streamed: bool) -> dict[str, Any]:
    """Return the body of a call."""
    body: dict[str, Any] = {
        "model": model,
        "messages": [
            {"role": "system", "content": "You answer in one short paragraph."},
            {
                "role": "user",
                "content": "A spindle bearing runs hot after a change of grease. What may be "
                "wrong, and what should be measured first?",
            },
        ],
        "max_tokens": CHUNKS,
        "temperature": 0.2,
    }
    if streamed:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return body


def chunk(number: int, counted: bool) -> dict[str, Any]:
    """Return the chunk of a stream with token `number`, from 1, optionally with its usage."""
    last = number == CHUNKS
    choice = {
        "index": 0,
        "delta": {"role": "assistant", "content": ""} if number == 1 else {"content": _WORD},
        "logprobs": None,
        "finish_reason": "length" if last else None,
    }
    usage = {**_USAGE, "total_tokens": _PROMPT + number, "completion_tokens": number}
    return {**_frame(), "choices": [choice], **({"usage": usage} if counted else {})}


def usage_chunk() -> dict[str, Any]:
    """Return the chunk after the last token, with the usage of the call."""
    return {**_frame(), "choices": [], "usage": _USAGE}


def _frame() -> dict[str, Any]:
    return {
        "id": PLAIN["id"],
        "object": "chat.completion.chunk",
        "created": PLAIN["created"],
        "model": PLAIN["model"],
    }
