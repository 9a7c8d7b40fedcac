"""HTTP client of WeChat Pay's API v3: signs requests, verifies answers, maps errors."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from billing.collection.wechat_pay.keys import PlatformKeys
from billing.collection.wechat_pay.signing import (
    NotAuthentic,
    authorization,
    parse_object,
    verify_message,
)
from billing.outbox import PermanentFailure, RetryLater
from infra.clock import Clock

_TIMEOUT_S = 10.0
# Codes of rejections that a later attempt may not meet.
_TEMPORARY_CODES = frozenset({"SYSTEM_ERROR", "FREQUENCY_LIMITED", "RATELIMIT_EXCEEDED"})


class WeChatPayRejected(PermanentFailure):
    """WeChat Pay rejected a request; `code` is its error code, such as `ORDER_NOT_EXIST`."""

    def __init__(self, code: str) -> None:
        super().__init__(f"WeChat Pay rejected the request: {code}.")
        self.code = code


@dataclass(frozen=True, slots=True)
class Merchant:
    """A merchant at WeChat Pay: `serial` is that of its API certificate, with `private_key`."""

    mch_id: str
    app_id: str
    serial: str
    private_key: RSAPrivateKey
    api_key: bytes


class WeChatPayClient:
    """The API client of one merchant, bound to one event loop."""

    def __init__(self, base_url: str, merchant: Merchant, keys: PlatformKeys, clock: Clock) -> None:
        self._merchant = merchant
        self._keys = keys
        self._clock = clock
        self._base_path = urlsplit(base_url).path.rstrip("/")
        self._http = httpx.AsyncClient(base_url=base_url, timeout=_TIMEOUT_S)

    async def close(self) -> None:
        """Close the HTTP connections."""
        await self._http.aclose()

    async def get(self, path: str, *, verified: bool = True) -> dict[str, Any]:
        """Get a resource; the path has its query. Raises RetryLater, WeChatPayRejected.

        Without `verified` the caller checks the answer itself: of certificates, which are needed to
        check it.
        """
        return await self._send("GET", path, b"", verified=verified)

    async def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Post a JSON object; an answer without content is empty. Raises as `get`."""
        return await self._send("POST", path, msgspec.json.encode(body), verified=True)

    async def _send(self, method: str, path: str, body: bytes, *, verified: bool) -> dict[str, Any]:
        """Send a signed request and return the verified answer."""
        response = await self._request(method, path, body)
        if response.status_code >= 400:
            raise _map_error(response)
        try:
            if verified:
                verify_message(self._keys, response.headers, response.content, self._clock.now())
            return parse_object(response.content) if response.content else {}
        except NotAuthentic as error:
            raise RetryLater(f"An answer of WeChat Pay cannot be trusted: {error}.") from error

    async def _request(self, method: str, path: str, body: bytes) -> httpx.Response:
        """Send a signed request. Raises RetryLater without an answer."""
        merchant, signed = self._merchant, (method, f"{self._base_path}{path}", body)
        headers = {
            "accept": "application/json",
            "content-type": "application/json",
            "user-agent": "maas-gateway",
            "authorization": authorization(
                merchant.private_key, merchant.mch_id, merchant.serial, signed, self._clock.now()
            ),
        }
        serial = self._keys.preferred_serial()
        if serial is not None:
            headers["wechatpay-serial"] = serial
        try:
            return await self._http.request(method, path, content=body, headers=headers)
        except httpx.HTTPError as error:
            raise RetryLater(f"WeChat Pay does not respond: {type(error).__name__}.") from error


def _map_error(response: httpx.Response) -> Exception:
    """Return the error of an answer with an error status."""
    try:
        code = str(parse_object(response.content).get("code") or response.status_code)
    except NotAuthentic:
        code = str(response.status_code)
    if response.status_code >= 500 or response.status_code == 429 or code in _TEMPORARY_CODES:
        return RetryLater(f"WeChat Pay is busy: {code[:60]}.")
    return WeChatPayRejected(code[:60])
