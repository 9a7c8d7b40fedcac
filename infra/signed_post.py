"""Webhooks of ours: a JSON body, posted with the signature of the Standard Webhooks scheme.

The receiver checks `webhook-id`, `webhook-timestamp` and `webhook-signature` with the secret that
we share; any library of that scheme does. Owns one post. Does not own trying again, nor where a
post may go (infra/reach.py).
"""

import asyncio
import base64
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpcore
import httpx
from standardwebhooks import Webhook

from infra.reach import Reach

_FAULTS = (
    httpcore.NetworkError,
    httpcore.TimeoutException,
    httpcore.ProtocolError,
    httpcore.UnsupportedProtocol,
    httpx.InvalidURL,
    TimeoutError,
)


class PostFailed(Exception):
    """The receiver could not be reached, or did not answer with a 2xx."""


def new_secret() -> str:
    """A secret to share with a receiver: `whsec_` and 32 random bytes."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


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
        body = json.dumps(said, ensure_ascii=False, separators=(",", ":"))
        headers: dict[str | bytes, str | bytes] = {
            "content-type": "application/json; charset=utf-8",
            "webhook-id": key,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": Webhook(secret).sign(key, at, body),
        }
        try:
            async with asyncio.timeout(self.timeout_s):
                status = await self._status(url, headers, body.encode())
        except _FAULTS as error:
            reason = str(error) or "it did not answer"
            raise PostFailed(f"{type(error).__name__}: {reason}") from error
        if not 200 <= status < 300:
            raise PostFailed(f"the receiver answered {status}")

    async def _status(
        self, url: str, headers: Mapping[str | bytes, str | bytes], body: bytes
    ) -> int:
        """The answer's status. httpx reads the address, as its own transport does not let us
        say what is connected to."""
        place = httpx.URL(url)
        target = httpcore.URL(
            scheme=place.raw_scheme, host=place.raw_host, port=place.port, target=place.raw_path
        )
        async with (
            httpcore.AsyncConnectionPool(network_backend=self.reach) as pool,
            pool.stream("POST", target, headers=headers, content=body) as answer,
        ):
            return answer.status
