"""Feedback that is refused: it names what is wrong, and nothing of it is kept."""

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
    """A firm that has made one call, which was answered."""

    gateway: Gateway
    asker: Asker
    request_id: str


@pytest.fixture(scope="module")
async def asked(shared_gateway: Gateway) -> AsyncIterator[Asked]:
    """The same for all: whatever they say is refused."""
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
async def test_a_wrong_shape_names_the_field(
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
async def test_what_is_no_json_object(asked: Asked, body: bytes) -> None:
    answer = await asked.gateway.http.post("/v1/feedback", content=body)
    assert (answer.status_code, error_of(answer)["code"]) == (400, "invalid_json")


async def test_half_a_letter(asked: Asked) -> None:
    """A JSON text may name what is no character, which no text of PostgreSQL can hold."""
    body = f'{{"request_id": "{asked.request_id}", "rating": "bad", "comment": "\\ud800"}}'
    answer = await asked.gateway.http.post("/v1/feedback", content=body)
    assert answer.status_code == 400


async def test_too_large(asked: Asked) -> None:
    answer = await asked.gateway.http.post("/v1/feedback", content=b" " * (300 << 10))
    assert (answer.status_code, error_of(answer)["code"]) == (413, "request_too_large")


@pytest.mark.parametrize("request_id", ["", "req_1", "req_" + "0" * 32, "x" * 5000, "fb_\0"])
async def test_no_such_call(asked: Asked, request_id: str) -> None:
    with pytest.raises(APIStatusError) as caught:
        await asked.asker.says(request_id)
    assert (caught.value.status_code, code_of(caught.value)) == (404, "request_not_found")


async def test_a_call_that_was_refused_had_no_answer(asked: Asked) -> None:
    refused = await asked.gateway.chat("too-long")
    await asked.gateway.rows(2)
    with pytest.raises(APIStatusError) as caught:
        await asked.asker.says(refused.headers["x-request-id"])
    assert caught.value.status_code == 400


async def test_without_a_key(asked: Asked) -> None:
    headers = {"authorization": "Bearer nothing"}
    answer = await asked.gateway.http.get("/v1/feedback", headers=headers)
    assert answer.status_code == 401


@pytest.mark.parametrize("name", ["fb_1", "fb_" + "0" * 32, "x"])
async def test_what_is_not_there(asked: Asked, name: str) -> None:
    with pytest.raises(APIStatusError) as caught:
        await asked.asker.openai.get(f"/feedback/{name}", cast_to=object)
    assert caught.value.status_code == 404
