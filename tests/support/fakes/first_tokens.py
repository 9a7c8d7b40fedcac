"""Log-probabilities of an answer's first token, as vLLM returns them for a chat."""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

Chances = Callable[[str], Mapping[str, float]]
"""The probabilities of the first tokens by prompt."""
_OPTION = re.compile(r"^([A-T])\. (.*)$", re.MULTILINE)


def no_chances(_prompt: str) -> Mapping[str, float]:
    """Know no probabilities: the answer then has no `logprobs`."""
    return {}


def options_of(prompt: str) -> dict[str, str]:
    """The options that a prompt lists, by letter."""
    return dict(_OPTION.findall(prompt))


def choosing(chances: Mapping[str, float], bias: Mapping[str, float] | None = None) -> Chances:
    """Letters get the probability of the option that they stand for, times that of the letter."""

    def of(prompt: str) -> Mapping[str, float]:
        weights = {
            letter: chances.get(option.split(":")[0], 1e-6) * (bias or {}).get(letter, 1.0)
            for letter, option in options_of(prompt).items()
        }
        total = sum(weights.values())
        return {letter: weight / total for letter, weight in weights.items()}

    return of


def add_logprobs(answer: dict[str, Any], body: Mapping[str, Any], chances: Any) -> None:
    """Add `logprobs` to the answer of a chat that asks for them, the most likely tokens first."""
    if not body.get("logprobs") or not chances:
        return
    ordered = sorted(chances.items(), key=lambda item: -item[1])[: body.get("top_logprobs") or 0]
    top = [
        {"token": token, "logprob": math.log(chance), "bytes": list(token.encode())}
        for token, chance in ordered
    ]
    position = {**top[0], "top_logprobs": top}
    answer["choices"][0]["logprobs"] = {"content": [position], "refusal": None}
