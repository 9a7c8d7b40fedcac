"""Answers of identity providers that cannot be used: unreachable, too long, or no JSON object."""

import httpx
import pytest

from gateway.identity.sso.http import ProviderHttp
from gateway.identity.sso.provider import ProviderUnavailable


def answering(content: bytes) -> ProviderHttp:
    return ProviderHttp(httpx.MockTransport(lambda request: httpx.Response(200, content=content)))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"<html>", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[]", "not a JSON object"),
        (b'"' + b"x" * (1 << 20), "too long"),
    ],
    ids=["html", "no text", "list", "huge"],
)
async def test_answer_that_is_no_small_json_object_is_reported(content: bytes, reason: str) -> None:
    with pytest.raises(ProviderUnavailable, match=reason):
        await answering(content).get("https://login.example")


async def test_unreachable_provider_is_reported() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    with pytest.raises(ProviderUnavailable, match="does not answer"):
        await ProviderHttp(httpx.MockTransport(refuse)).post("https://login.example")


async def test_redirects_are_not_followed() -> None:
    moved = httpx.Response(302, headers={"location": "https://evil.example"}, content=b"{}")
    http = ProviderHttp(httpx.MockTransport(lambda request: moved))
    assert await http.get("https://login.example") == {}
