"""Signed webhook posts, verified with the receiver's Standard Webhooks library."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from infra.outbound.allowed_addresses import AllowedAddresses
from infra.outbound.resolver import Address
from infra.outbound.webhook_post import PostFailed, SignedPoster, new_secret
from tests.support.fakes.raw_server import Exchange, run_raw_server
from tests.support.fakes.webhook_receiver import Hook, run_hook

pytestmark = pytest.mark.usefixtures("network")

LOCAL = SignedPoster(AllowedAddresses([ip_network("127.0.0.0/8")]))
SAID = {"type": "usage.threshold_passed", "data": {"subject": "信用额度", "percent": 80}}


@pytest.fixture
async def hook() -> AsyncIterator[Hook]:
    async with run_hook() as running:
        yield running


class TestWebhookSignature:
    async def test_signature_is_verified_by_the_receivers_library(self, hook: Hook) -> None:
        secret = new_secret()
        await LOCAL.post(hook.url, secret, "alert_1", SAID, datetime.now(UTC))
        (post,) = hook.posts
        assert Webhook(secret).verify(post.body, post.headers) == SAID
        assert post.headers["webhook-id"] == "alert_1"
        assert post.headers["content-type"] == "application/json; charset=utf-8"
        assert json.loads(post.body) == SAID

    async def test_verification_fails_with_another_secret_body_or_id(self, hook: Hook) -> None:
        secret = new_secret()
        await LOCAL.post(hook.url, secret, "alert_1", SAID, datetime.now(UTC))
        (post,) = hook.posts
        for key, body, headers in (
            (new_secret(), post.body, post.headers),
            (secret, post.body.replace(b"80", b"10"), post.headers),
            (secret, post.body, {**post.headers, "webhook-id": "alert_2"}),
        ):
            with pytest.raises(WebhookVerificationError):
                Webhook(key).verify(body, headers)

    async def test_verification_fails_for_an_old_timestamp(self, hook: Hook) -> None:
        secret = new_secret()
        at = datetime.now(UTC) - timedelta(minutes=6)
        await LOCAL.post(hook.url, secret, "alert_1", SAID, at)
        (post,) = hook.posts
        with pytest.raises(WebhookVerificationError, match="too old"):
            Webhook(secret).verify(post.body, post.headers)

    def test_new_secrets_are_unique(self) -> None:
        first, second = new_secret(), new_secret()
        assert first != second
        assert first.startswith("whsec_")


class TestWebhookResponses:
    @pytest.mark.parametrize("status", [200, 201, 204, 299])
    async def test_success_status_completes_the_post(self, hook: Hook, status: int) -> None:
        hook.statuses = [status]
        await LOCAL.post(hook.url, new_secret(), "alert_1", SAID, datetime.now(UTC))

    @pytest.mark.parametrize("status", [302, 400, 404, 410, 429, 500, 503])
    async def test_error_status_raises_post_failed(self, hook: Hook, status: int) -> None:
        hook.statuses = [status]
        with pytest.raises(PostFailed, match=f"HTTP status {status}"):
            await LOCAL.post(hook.url, new_secret(), "alert_1", SAID, datetime.now(UTC))
        assert len(hook.posts) == 1

    async def test_redirect_is_not_followed(self, hook: Hook) -> None:
        async def lead(exchange: Exchange) -> None:
            await exchange.send(b"HTTP/1.1 307 Go\r\nlocation: %b\r\n" % hook.url.encode())
            await exchange.send(b"content-length: 0\r\n\r\n")

        async with run_raw_server(lead) as server:
            with pytest.raises(PostFailed, match="HTTP status 307"):
                await LOCAL.post(server.url, new_secret(), "alert_1", SAID, datetime.now(UTC))
        assert hook.posts == []

    @pytest.mark.parametrize(
        "host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433", "user@127.0.0.1"]
    )
    async def test_url_of_this_machine_is_never_requested(self, hook: Hook, host: str) -> None:
        """With the default settings, in any notation, on any port."""
        port = hook.url.rpartition(":")[2]
        with pytest.raises(PostFailed, match=r"not on the public internet|not known"):
            await SignedPoster(AllowedAddresses()).post(
                f"http://{host}:{port}", new_secret(), "alert_1", SAID, datetime.now(UTC)
            )
        assert hook.posts == []

    async def test_endless_response_body_is_not_read(self) -> None:
        """Only the status is read, so a receiver cannot use up memory or time."""

        async def pour(exchange: Exchange) -> None:
            await exchange.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
            with suppress(ConnectionError):
                await exchange.flood(b"10000\r\n" + b"x" * 65536 + b"\r\n", 1 << 40)

        async with run_raw_server(pour) as server, asyncio.timeout(5):
            await LOCAL.post(server.url, new_secret(), "alert_1", SAID, datetime.now(UTC))


class TestWebhookConnectionErrors:
    @pytest.mark.parametrize("url", ["http://127.0.0.1:1/hook", "http://nowhere.invalid/hook"])
    async def test_unreachable_url_raises_post_failed(self, url: str) -> None:
        with pytest.raises(PostFailed, match="ConnectError"):
            await LOCAL.post(url, new_secret(), "alert_1", SAID, datetime.now(UTC))

    @pytest.mark.parametrize(
        "error",
        [
            socket.gaierror(socket.EAI_AGAIN, "no name server answered"),
            TimeoutError(),
            UnicodeError("label too long"),
        ],
    )
    async def test_name_that_cannot_be_looked_up_is_reported_as_such(
        self, error: Exception
    ) -> None:
        async def failing(_host: str) -> list[Address]:
            raise error

        poster = SignedPoster(AllowedAddresses(resolve_to_connect=failing))
        result = await poster.deliver(
            "https://ssl.example/hook", new_secret(), "alert_1", SAID, datetime.now(UTC)
        )
        assert result.error == "The host name cannot be resolved by DNS."

    @pytest.mark.parametrize("url", ["ftp://example.com/", "http://[", "https://example.com:0x/"])
    async def test_invalid_url_raises_post_failed(self, url: str) -> None:
        with pytest.raises(PostFailed):
            await LOCAL.post(url, new_secret(), "alert_1", SAID, datetime.now(UTC))

    async def test_closed_connection_raises_post_failed(self) -> None:
        async def hang_up(exchange: Exchange) -> None:
            exchange.close()

        async with run_raw_server(hang_up) as server:
            with pytest.raises(PostFailed, match="RemoteProtocolError"):
                await LOCAL.post(server.url, new_secret(), "alert_1", SAID, datetime.now(UTC))

    async def test_missing_response_raises_post_failed_after_the_timeout(self) -> None:
        async def wait(_exchange: Exchange) -> None:
            await asyncio.Event().wait()

        async with run_raw_server(wait) as server:
            place = (server.url, new_secret(), "alert_1", SAID, datetime.now(UTC))
            with pytest.raises(PostFailed, match="Timeout"):
                await replace(LOCAL, timeout_s=0.1).post(*place)
        assert len(server.requests) == 1
