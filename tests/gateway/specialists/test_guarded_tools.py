"""Guards of calls with hosted specialists: the final answer, decisions, and results of tools."""

from typing import Any

import pytest

from tests.support.builders import CHAT, Gateway
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.checking import set_guard
from tests.support.gateway.errors import error_of

POINT = (
    "Grade L, air temperature 298.1 K, process temperature 308.6 K, rotational speed 1300 rpm, "
    "torque 65 Nm, tool wear 220 min. Will the milling machine fail?"
)
TOOLS = [{"type": "specialist"}]
MESSAGE = {
    "model": CHAT, "max_tokens": 60, "messages": [{"role": "user", "content": POINT}],
    "tools": TOOLS,
}  # fmt: skip
RESPONSE = {"model": CHAT, "input": POINT, "tools": TOOLS, "max_output_tokens": 60}
REFUSED = '"reason":"content_filter"', '"stop_reason":"refusal"'
CASES = [("/v1/responses", RESPONSE, REFUSED[0]), ("/v1/messages", MESSAGE, REFUSED[1])]


def words(word: str, action: str, applies_to: str) -> dict[str, Any]:
    return {"kind": "words", "action": action, "applies_to": applies_to, "words": [word]}


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(("path", "body", "refusal"), CASES, ids=["responses", "messages"])
async def test_answer_with_a_refused_word_of_a_specialist_is_not_shown(
    both: Gateway, path: str, body: dict[str, Any], refusal: str, streamed: bool
) -> None:
    await set_guard(both, words("failure", "refuse", "output"))
    answer = await both.http.post(path, json={**body, "stream": streamed})
    assert answer.status_code == 200
    assert refusal in answer.text.replace(" ", "")
    assert "failure is expected" not in answer.text
    parent = next(row for row in await both.rows(4) if row["parent_id"] is None)
    assert (parent["settlement"], parent["error_code"]) == ("complete", "content_filter")


@pytest.mark.parametrize(("path", "body", "refusal"), CASES, ids=["responses", "messages"])
async def test_masked_word_is_masked_in_the_specialists_answer(
    both: Gateway, path: str, body: dict[str, Any], refusal: str
) -> None:
    await set_guard(both, words("failure", "mask", "output"))
    answer = await both.http.post(path, json=body)
    assert "<REMOVED> is expected" in answer.text
    assert refusal not in answer.text.replace(" ", "")


@pytest.mark.parametrize("path", ["/v1/responses", "/v1/messages"])
async def test_result_of_the_clients_tool_is_checked_before_the_model_gets_it(
    both: Gateway, model: FakeUpstream, path: str
) -> None:
    await set_guard(both, words("falcon", "refuse", "input"))
    result = {"type": "tool_result", "tool_use_id": "c1", "content": "a falcon"}
    use = {"type": "tool_use", "id": "c1", "name": "look", "input": {}}
    call = {"type": "function_call", "call_id": "c1", "name": "look", "arguments": "{}"}
    output = {"type": "function_call_output", "call_id": "c1", "output": "a falcon"}
    body = (
        {**RESPONSE, "input": [{"role": "user", "content": POINT}, call, output]}
        if path == "/v1/responses"
        else {
            **MESSAGE,
            "messages": [
                {"role": "user", "content": POINT},
                {"role": "assistant", "content": [use]},
                {"role": "user", "content": [result]},
            ],
        }
    )
    answer = await both.http.post(path, json=body)
    assert (answer.status_code, error_of(answer)["code"]) == (400, "content_filter")
    assert model.received == []
