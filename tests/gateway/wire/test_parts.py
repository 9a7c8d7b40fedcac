"""Content parts of messages: the gateway and its models fetch no URL for a client."""

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
def test_content_part_with_remote_url_is_rejected(part: Any) -> None:
    with pytest.raises(ParameterInvalid, match="URLs are not fetched") as refused:
        parse_chat_request(chat(part))
    assert str(refused.value.param).startswith("messages[1].content[1].")


def test_remote_url_in_escaped_or_duplicate_field_is_rejected() -> None:
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
def test_inline_content_part_is_accepted(part: Any) -> None:
    parse_chat_request(chat(part))


async def test_chat_with_remote_url_returns_400_and_writes_row(gateway: Gateway) -> None:
    body = chat({"type": "image_url", "image_url": {"url": WITHIN}})
    answer = await gateway.http.post("/v1/chat/completions", content=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_value")
    row = await gateway.row()
    assert row["error_code"] == "invalid_value"
