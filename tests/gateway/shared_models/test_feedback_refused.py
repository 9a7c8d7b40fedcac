"""Rejected feedback: the error names the field, and no feedback is stored."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from openai import APIStatusError

from tests.support.builders import Gateway
from tests.support.gateway.askers import ASKED, LESSON, Asker
from tests.support.gateway.customers import client, code_of
from tests.support.gateway.errors import error_of


@dataclass(frozen=True)
class Asked:
    """A firm with one answered call."""

    gateway: Gateway
    asker: Asker
    request_id: str


@pytest.fixture(scope="module")
async def asked(shared_gateway: Gateway) -> AsyncIterator[Asked]:
    """One firm for the module: all its feedback is rejected."""
    async with client(shared_gateway.url, shared_gateway.key.secret) as openai:
        asker = Asker(openai)
        yield Asked(shared_gateway, asker, await asker.told())


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"rating": "fine"}, "rating"),
        ({"rating": None}, "rating"),
        ({"consent": "yes"}, "consent"),
        ({"comment": "x" * 4001}, "comment"),
        ({"comment": "a\0b"}, "comment"),
        ({"correction": "Leaking"}, "messages"),
        ({"messages": ASKED}, "correction"),
        ({**LESSON, "correction": " "}, "correction"),
        ({**LESSON, "correction": "a\0"}, "correction"),
        ({**LESSON, "rating": "good"}, "correction"),
        ({"messages": ASKED, "answer": "Leaking"}, "answer"),
        ({**LESSON, "messages": []}, "messages"),
        ({**LESSON, "messages": [{"role": "user", "content": ""}]}, "messages[0].content"),
        ({**LESSON, "messages": [{"role": "user", "content": "\0"}]}, "messages[0].content"),
        ({**LESSON, "messages": [{"role": "assistant", "content": "x"}]}, "messages"),
        ({**LESSON, "messages": [{"role": "system", "content": "x"}]}, "messages"),
        ({**LESSON, "messages": [*ASKED, *ASKED]}, "messages"),
        ({**LESSON, "messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
        ({**LESSON, "messages": [{"role": "user", "content": [1]}]}, "messages[0].content"),
        ({**LESSON, "messages": [{**ASKED[0], "name": "x"}]}, "messages[0].name"),
        ({**LESSON, "correction": "x" * (49 << 10)}, "messages"),
        ({"ratin": "bad"}, "ratin"),
    ],
)
async def test_invalid_feedback_field_is_rejected_by_name(
    asked: Asked, more: dict[str, Any], param: str
) -> None:
    body = {"request_id": asked.request_id, "rating": "bad", **more}
    answer = await asked.gateway.http.post("/v1/feedback", json=body)
    assert (answer.status_code, error_of(answer)["param"]) == (400, param)
    assert (await asked.asker.listed())["data"] == []


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b'{"request_id": "req_1", "rating": "bad", "comment": "\xff"}', b"null"],
)
async def test_feedback_body_that_is_no_json_object_is_rejected(asked: Asked, body: bytes) -> None:
    answer = await asked.gateway.http.post("/v1/feedback", content=body)
    assert (answer.status_code, error_of(answer)["code"]) == (400, "invalid_json")


async def test_feedback_with_a_lone_surrogate_is_rejected(asked: Asked) -> None:
    """JSON can escape a lone surrogate, which PostgreSQL text cannot store."""
    body = f'{{"request_id": "{asked.request_id}", "rating": "bad", "comment": "\\ud800"}}'
    answer = await asked.gateway.http.post("/v1/feedback", content=body)
    assert answer.status_code == 400


async def test_feedback_over_size_limit_is_rejected_with_413(asked: Asked) -> None:
    answer = await asked.gateway.http.post("/v1/feedback", content=b" " * (300 << 10))
    assert (answer.status_code, error_of(answer)["code"]) == (413, "request_too_large")


@pytest.mark.parametrize("request_id", ["", "req_1", "req_" + "0" * 32, "x" * 5000, "fb_\0"])
async def test_feedback_for_an_unknown_request_returns_404(asked: Asked, request_id: str) -> None:
    with pytest.raises(APIStatusError) as caught:
        await asked.asker.says(request_id)
    assert (caught.value.status_code, code_of(caught.value)) == (404, "request_not_found")


async def test_feedback_for_a_refused_call_is_rejected(asked: Asked) -> None:
    refused = await asked.gateway.chat("too-long")
    await asked.gateway.rows(2)
    with pytest.raises(APIStatusError) as caught:
        await asked.asker.says(refused.headers["x-request-id"])
    assert caught.value.status_code == 400


async def test_feedback_with_an_invalid_api_key_returns_401(asked: Asked) -> None:
    headers = {"authorization": "Bearer nothing"}
    answer = await asked.gateway.http.get("/v1/feedback", headers=headers)
    assert answer.status_code == 401


@pytest.mark.parametrize("name", ["fb_1", "fb_" + "0" * 32, "x"])
async def test_unknown_feedback_id_returns_404(asked: Asked, name: str) -> None:
    with pytest.raises(APIStatusError) as caught:
        await asked.asker.openai.get(f"/feedback/{name}", cast_to=object)
    assert caught.value.status_code == 404
