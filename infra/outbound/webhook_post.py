"""Send signed webhooks (Standard Webhooks scheme).

The receiver verifies the headers `webhook-id`, `webhook-timestamp` and `webhook-signature` with
the shared secret, for instance with a library of that scheme.
"""

import asyncio
import base64
import json
import secrets
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpcore
import httpx
from standardwebhooks import Webhook

from infra.outbound.allowed_addresses import NAME_NOT_KNOWN, AllowedAddresses, OutOfReach

_REQUEST_ERRORS = (
    httpcore.NetworkError,
    httpcore.TimeoutException,
    httpcore.ProtocolError,
    httpcore.UnsupportedProtocol,
    httpx.InvalidURL,
    TimeoutError,
)


_EXCERPT_BYTES = 500  # bytes of the response body that are shown


@dataclass(frozen=True, slots=True)
class DeliveryResult:
    """Result of a webhook request: status, duration and start of the response body; or the
    `error` in plain words if there was no response."""

    status: int | None
    duration_ms: int
    excerpt: str = ""
    error: str | None = None

    @property
    def delivered(self) -> bool:
        """Whether the receiver answered with a 2xx status."""
        return self.status is not None and 200 <= self.status < 300


class PostFailed(Exception):
    """The receiver could not be reached or did not answer with a 2xx status."""


def new_secret() -> str:
    """Create a signing secret: `whsec_` and 32 random bytes in base64."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def webhook_host(url: str) -> str:
    """Return the host name (IDNA) that a request to a URL resolves. Raises httpx.InvalidURL."""
    return httpx.URL(url).raw_host.decode("ascii")


@dataclass(frozen=True, slots=True)
class SignedPoster:
    """Posts signed webhooks to the addresses that `allowed_addresses` permits."""

    allowed_addresses: AllowedAddresses
    timeout_s: float = 10.0

    async def post(
        self, url: str, secret: str, key: str, payload: Mapping[str, Any], at: datetime
    ) -> None:
        """Post a signed payload once, without redirects. Raises PostFailed unless it returns 2xx.

        The response body is not read, as it could be endless.
        """
        headers, body = _sign(secret, key, payload, at)
        try:
            async with asyncio.timeout(self.timeout_s):
                status, _ = await self._send(url, headers, body, 0)
        except _REQUEST_ERRORS as error:
            reason = str(error) or "the receiver did not respond"
            raise PostFailed(f"{type(error).__name__}: {reason}") from error
        if not 200 <= status < 300:
            raise PostFailed(f"the receiver responded with HTTP status {status}")

    async def deliver(
        self, url: str, secret: str, key: str, payload: Mapping[str, Any], at: datetime
    ) -> DeliveryResult:
        """Post a signed payload once and return the result, with the start of the response body.

        Errors of the receiver or its address are returned, not raised.
        """
        headers, body = _sign(secret, key, payload, at)
        return await self.send(url, headers, body, _EXCERPT_BYTES)

    async def send(
        self, url: str, headers: Mapping[str | bytes, str | bytes], body: bytes, limit: int
    ) -> DeliveryResult:
        """Post a body once and return the result with at most `limit` bytes of the response body.

        Errors of the receiver or its address are returned, not raised.
        """
        started = time.monotonic()
        try:
            async with asyncio.timeout(self.timeout_s):
                status, excerpt = await self._send(url, headers, body, limit)
        except _REQUEST_ERRORS as error:
            return DeliveryResult(None, _elapsed_ms(started), error=self._describe_error(error))
        return DeliveryResult(status, _elapsed_ms(started), _printable_text(excerpt))

    @staticmethod
    def _describe_error(error: Exception) -> str:
        """Describe why there was no response, for the operator of the receiver."""
        if isinstance(error, OutOfReach):
            return "The host name resolves only to private or reserved addresses."
        if isinstance(error, httpcore.ConnectError) and str(error).endswith(NAME_NOT_KNOWN):
            return "The host name cannot be resolved by DNS."
        if isinstance(error, TimeoutError | httpcore.TimeoutException):
            return "The receiver did not respond in time."
        if isinstance(error.__cause__, OSError) and not isinstance(error.__cause__, ssl.SSLError):
            return "The connection was refused or closed."
        if "CERTIFICATE" in str(error).upper() or "SSL" in str(error).upper():
            return "The TLS connection failed: check the receiver's certificate."
        if isinstance(error, httpcore.NetworkError):
            return "The connection was refused or closed."
        return "The receiver's response is not valid HTTP."

    async def _send(
        self, url: str, headers: Mapping[str | bytes, str | bytes], body: bytes, limit: int
    ) -> tuple[int, bytes]:
        """Send the request; return the status and at most `limit` bytes of the body.

        Only the URL is parsed by httpx: its transport does not allow another network backend.
        """
        parsed = httpx.URL(url)
        target = httpcore.URL(
            scheme=parsed.raw_scheme,
            host=parsed.raw_host,
            port=parsed.port,
            target=parsed.raw_path,
        )
        async with (
            httpcore.AsyncConnectionPool(network_backend=self.allowed_addresses) as pool,
            pool.stream("POST", target, headers=headers, content=body) as answer,
        ):
            read = b""
            if limit:
                async for chunk in answer.aiter_stream():
                    read += chunk[: limit - len(read)]
                    if len(read) >= limit:
                        break
            return answer.status, read


def _sign(
    secret: str, key: str, payload: Mapping[str, Any], at: datetime
) -> tuple[dict[str | bytes, str | bytes], bytes]:
    """Serialise and sign a payload; return the request's headers and body."""
    body = json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
    headers: dict[str | bytes, str | bytes] = {
        "content-type": "application/json; charset=utf-8",
        "webhook-id": key,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(key, at, body),
    }
    return headers, body.encode()


def _elapsed_ms(started: float) -> int:
    """Return the milliseconds since `started`, a `time.monotonic()` in seconds."""
    return round((time.monotonic() - started) * 1000)


def _printable_text(body: bytes) -> str:
    """Decode a response body, replacing bytes and characters that cannot be printed."""
    text = body.decode("utf-8", "replace")
    return "".join(
        character if character.isprintable() or character == "\n" else "\ufffd"
        for character in text
    )
