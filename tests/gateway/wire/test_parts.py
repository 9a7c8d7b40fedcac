"""Parts of messages: URLs are not fetched on a customer's behalf, by whichever model."""

import json
from typing import Any

import pytest

from gateway.call.errors import ParameterInvalid
from gateway.wire.chat import parse_chat_request
from tests.support.builders import CHAT, Gateway

WITHIN = "http://169.254.169.254/latest/meta-data"
TEXT = {"type": "text", "text": f"see {WITHIN}"}
PICTURE = "data:image/png;base64,iVBORw0KGgo="


def chat(*parts: Any) -> bytes:
    content = [{"role": "user", "content": "a"}, {"role": "user", "content": [TEXT, *parts]}]
    return json.dumps({"model": CHAT, "messages": content}).encode()


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": WITHIN}},
        {"type": "image_url", "image_url": {"url": WITHIN, "detail": "low"}},
        {"type": "image_url", "image_url": WITHIN},
        {"image_url": WITHIN},
        {"type": "text", "text": "a", "image_url": {"url": "https://public.example/a.png"}},
        {"type": "audio_url", "audio_url": {"url": "file:///etc/passwd"}},
        {"type": "video_url", "video_url": {"url": " data:,"}},
        {"type": "image_url", "image_url": {"url": ["a"]}},
        {"type": "image_url", "image_url": [WITHIN]},
    ],
)
def test_an_address_is_refused(part: Any) -> None:
    with pytest.raises(ParameterInvalid, match="URLs are not fetched") as refused:
        parse_chat_request(chat(part))
    assert str(refused.value.param).startswith("messages[1].content[1].")


def test_an_address_by_another_spelling_or_said_twice_is_refused() -> None:
    twice = chat({"image_url": PICTURE, "b": 0}).replace(
        b'"b": 0', b'"image\\u005furl": "http://a"'
    )
    with pytest.raises(ParameterInvalid, match="URLs are not fetched"):
        parse_chat_request(twice)


@pytest.mark.parametrize(
    "part",
    [
        TEXT,
        "a text",
        {"type": "image_url", "image_url": {"url": PICTURE}},
        {"type": "image_url", "image_url": PICTURE},
        {"type": "image_url", "image_url": None},
        {"type": "input_audio", "input_audio": {"data": "YQ==", "format": "wav"}},
    ],
)
def test_what_comes_with_the_request_is_the_engines_to_judge(part: Any) -> None:
    parse_chat_request(chat(part))


async def test_nothing_goes_to_the_engine(gateway: Gateway) -> None:
    body = chat({"type": "image_url", "image_url": {"url": WITHIN}})
    answer = await gateway.http.post("/v1/chat/completions", content=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_value")
    row = await gateway.row()
    assert row["error_code"] == "invalid_value"
