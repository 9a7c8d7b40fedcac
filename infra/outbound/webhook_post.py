"""Webhooks of ours: a JSON body, posted with the signature of the Standard Webhooks scheme.

The receiver checks `webhook-id`, `webhook-timestamp` and `webhook-signature` with the secret that
we share; any library of that scheme does.
"""

import asyncio
import base64
import json
import secrets
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpcore
import httpx
from standardwebhooks import Webhook

from infra.outbound.allowed_addresses import OutOfReach, Reach

_FAULTS = (
    httpcore.NetworkError,
    httpcore.TimeoutException,
    httpcore.ProtocolError,
    httpcore.UnsupportedProtocol,
    httpx.InvalidURL,
    TimeoutError,
)


_EXCERPT = 500  # bytes of an answer that are shown


@dataclass(frozen=True, slots=True)
class Delivery:
    """How one post went: the answer's `status`, how long it took, the beginning of its body; or
    the `error` in plain words, where there was no answer."""

    status: int | None
    duration_ms: int
    excerpt: str = ""
    error: str | None = None

    @property
    def delivered(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


class PostFailed(Exception):
    """The receiver could not be reached, or did not answer with a 2xx."""


def new_secret() -> str:
    """A secret to share with a receiver: `whsec_` and 32 random bytes."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def host_of(url: str) -> str:
    """The host name, as a post to this URL looks it up. Raises httpx.InvalidURL."""
    return httpx.URL(url).raw_host.decode("ascii")


@dataclass(frozen=True, slots=True)
class SignedPoster:
    """Posts where `reach` lets it."""

    reach: Reach
    timeout_s: float = 10.0

    async def post(
        self, url: str, secret: str, key: str, said: Mapping[str, Any], at: datetime
    ) -> None:
        """Post once; redirects are not followed, and what the answer says beside its status is
        not read: it could be without end. Raises PostFailed."""
        headers, body = _signed(secret, key, said, at)
        try:
            async with asyncio.timeout(self.timeout_s):
                status, _ = await self._answer(url, headers, body, 0)
        except _FAULTS as error:
            reason = str(error) or "it did not answer"
            raise PostFailed(f"{type(error).__name__}: {reason}") from error
        if not 200 <= status < 300:
            raise PostFailed(f"the receiver answered {status}")

    async def deliver(
        self, url: str, secret: str, key: str, said: Mapping[str, Any], at: datetime
    ) -> Delivery:
        """Post once and tell how it went, with the beginning of the answer's body. Raises
        nothing that a receiver or an address can cause."""
        headers, body = _signed(secret, key, said, at)
        begun = time.monotonic()
        try:
            async with asyncio.timeout(self.timeout_s):
                status, excerpt = await self._answer(url, headers, body, _EXCERPT)
        except _FAULTS as error:
            return Delivery(None, _since(begun), error=self._in_words(error))
        return Delivery(status, _since(begun), _printable(excerpt))

    @staticmethod
    def _in_words(error: Exception) -> str:
        """Why there was no answer, for whoever runs the receiver."""
        if isinstance(error, OutOfReach):
            return "The host name resolves only to private or reserved addresses."
        if isinstance(error, TimeoutError | httpcore.TimeoutException):
            return "The receiver did not answer in time."
        if isinstance(error.__cause__, OSError) and not isinstance(error.__cause__, ssl.SSLError):
            if isinstance(error.__cause__, socket.gaierror | UnicodeError):
                return "The host name cannot be resolved by DNS."
            return "The connection was refused or broken off."
        if "CERTIFICATE" in str(error).upper() or "SSL" in str(error).upper():
            return "The TLS connection failed: check the receiver's certificate."
        if isinstance(error, httpcore.ConnectError) and str(error).endswith("is not known"):
            return "The host name cannot be resolved by DNS."
        if isinstance(error, httpcore.NetworkError):
            return "The connection was refused or broken off."
        return "The receiver did not answer with valid HTTP."

    async def _answer(
        self, url: str, headers: Mapping[str | bytes, str | bytes], body: bytes, most: int
    ) -> tuple[int, bytes]:
        """The answer's status, and at most so many bytes of its body. httpx reads the address, as
        its own transport does not let us say what is connected to."""
        place = httpx.URL(url)
        target = httpcore.URL(
            scheme=place.raw_scheme, host=place.raw_host, port=place.port, target=place.raw_path
        )
        async with (
            httpcore.AsyncConnectionPool(network_backend=self.reach) as pool,
            pool.stream("POST", target, headers=headers, content=body) as answer,
        ):
            read = b""
            if most:
                async for chunk in answer.aiter_stream():
                    read += chunk[: most - len(read)]
                    if len(read) >= most:
                        break
            return answer.status, read


def _signed(
    secret: str, key: str, said: Mapping[str, Any], at: datetime
) -> tuple[dict[str | bytes, str | bytes], bytes]:
    """The headers and the body of a post."""
    body = json.dumps(said, ensure_ascii=False, separators=(",", ":"))
    headers: dict[str | bytes, str | bytes] = {
        "content-type": "application/json; charset=utf-8",
        "webhook-id": key,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(key, at, body),
    }
    return headers, body.encode()


def _since(begun: float) -> int:
    return round((time.monotonic() - begun) * 1000)


def _printable(body: bytes) -> str:
    """Text of a body of any kind."""
    text = body.decode("utf-8", "replace")
    return "".join(one if one.isprintable() or one == "\n" else "\ufffd" for one in text)
