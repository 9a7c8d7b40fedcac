"""Questions and answers of `/v1/decisions` with the official OpenAI client."""

from typing import Any

from openai import APIStatusError
from openai.types import Decision

from gateway.inference.endpoints.predictions import EXAMPLE_ROW
from tests.support.builders import CHAT, Gateway
from tests.support.openai_client import openai_client

LEAK: Any = {"type": "predicate", "name": "leak", "instructions": "The pump leaks."}
FAULT: Any = {
    "type": "choice",
    "instructions": "What is the fault?",
    "choices": [{"value": "leak"}, {"value": "blockage", "description": "no flow"}],
}
URGENCY: Any = {
    "type": "score",
    "instructions": "How urgent is it?",
    "levels": [{"label": "low"}, {"label": "medium"}, {"label": "high"}],
}
FAILS: Any = {"type": "predicate", "instructions": "The machine will fail."}
READINGS: Any = {"type": "input_json", "data": EXAMPLE_ROW}
CHANCES = {
    **{"true": 0.9, "false": 0.1, "leak": 0.7, "blockage": 0.3},
    **{"low": 0.1, "medium": 0.2, "high": 0.7},
}


async def decide(gateway: Gateway, *questions: Any, **values: Any) -> Decision:
    """Ask with the official client about a pump that leaks."""
    body = {"model": CHAT, "input": "Oil at the seal of pump P-101.", **values}
    async with openai_client(gateway) as client:
        return await client.decisions.create(questions=questions, **body)


async def refused(gateway: Gateway, *questions: Any, **values: Any) -> APIStatusError:
    """The error of a request that is not answered."""
    try:
        await decide(gateway, *questions, **values)
    except APIStatusError as error:
        return error
    raise AssertionError("answered")


def fields(answer: Any) -> dict[str, Any]:
    """An answer with its extension fields."""
    found: dict[str, Any] = answer.model_dump()
    return found


def readings(row: Any = EXAMPLE_ROW) -> Any:
    """An input with readings only."""
    return [{"role": "user", "content": [{"type": "input_json", "data": row}]}]
