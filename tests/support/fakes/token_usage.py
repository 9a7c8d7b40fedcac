"""The tokens that the fake model server reports."""

from typing import Any


def thoughts_of(body: dict[str, Any]) -> int:
    """The tokens that it thinks: all of the budget."""
    return int(body.get("thinking_token_budget", 0))


def usage_of(prompt: str, tokens: int, thoughts: int = 0) -> dict[str, Any]:
    """The usage of an answer: a token a word of the prompt, one from the cache if it says so."""
    count = len(prompt.split())
    details = {"completion_tokens_details": {"reasoning_tokens": thoughts}} if thoughts else {}
    return {
        **details,
        "prompt_tokens": count,
        "completion_tokens": tokens,
        "total_tokens": count + tokens,
        "prompt_tokens_details": {"cached_tokens": 1 if prompt.startswith("cached") else 0},
    }
