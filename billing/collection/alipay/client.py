"""HTTP client of Alipay's gateway: signs requests, verifies answers, maps errors."""

from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from billing.collection.alipay.signing import (
    SIGN_TYPE,
    NotAuthentic,
    sign_parameters,
    verify_answer,
)
from billing.outbox import PermanentFailure, RetryLater
from infra.clock import Clock

BEIJING = ZoneInfo("Asia/Shanghai")
_TIMEOUT_S = 10.0
_SUCCESS = "10000"
# The service does not answer, or does not know whether it has done what was asked.
_TEMPORARY_CODES = frozenset({"20000", "10003"})
_TEMPORARY_REASONS = frozenset({"ACQ.SYSTEM_ERROR", "SYSTEM_ERROR", "aop.ACQ.SYSTEM_ERROR"})


class AlipayRejected(PermanentFailure):
    """Alipay rejected a request; `reason` is its `sub_code`, such as `ACQ.TRADE_NOT_EXIST`."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"Alipay rejected the request: {reason}.")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Application:
    """An application at Alipay, its seller, and the keys of both sides."""

    app_id: str
    seller_id: str
    private_key: RSAPrivateKey
    alipay_key: RSAPublicKey


class AlipayClient:
    """The API client of one application, bound to one event loop."""

    def __init__(self, gateway_url: str, application: Application, clock: Clock) -> None:
        self._gateway_url = gateway_url
        self._application = application
        self._clock = clock
        self._http = httpx.AsyncClient(timeout=_TIMEOUT_S)

    async def close(self) -> None:
        """Close the HTTP connections."""
        await self._http.aclose()

    async def call(
        self, method: str, content: dict[str, Any], notify_url: str | None = None
    ) -> dict[str, Any]:
        """Call a method such as `alipay.trade.query`; return its verified answer.

        Raises RetryLater, AlipayRejected.
        """
        parameters = {
            "app_id": self._application.app_id,
            "method": method,
            "format": "JSON",
            "charset": "utf-8",
            "sign_type": SIGN_TYPE,
            "timestamp": f"{self._clock.now().astimezone(BEIJING):%Y-%m-%d %H:%M:%S}",
            "version": "1.0",
            "biz_content": msgspec.json.encode(content).decode(),
            **({"notify_url": notify_url} if notify_url else {}),
        }
        parameters["sign"] = sign_parameters(self._application.private_key, parameters)
        body = await self._post(parameters)
        try:
            name = f"{method.replace('.', '_')}_response"
            answer = verify_answer(self._application.alipay_key, body, name)
        except NotAuthentic as error:
            raise RetryLater(f"An answer of Alipay cannot be trusted: {error}.") from error
        return _require_success(answer)

    async def _post(self, parameters: dict[str, str]) -> bytes:
        """Post a request; return the body of the answer. Raises RetryLater."""
        try:
            # As in the documentation, the character set is also in the address.
            response = await self._http.post(
                self._gateway_url, params={"charset": "utf-8"}, data=parameters
            )
        except httpx.HTTPError as error:
            raise RetryLater(f"Alipay does not respond: {type(error).__name__}.") from error
        if response.status_code != 200:
            raise RetryLater(f"Alipay does not respond: status {response.status_code}.")
        return response.content


def _require_success(answer: dict[str, Any]) -> dict[str, Any]:
    """Return a successful answer. Raises RetryLater, AlipayRejected."""
    code = str(answer.get("code"))
    if code == _SUCCESS:
        return answer
    reason = str(answer.get("sub_code") or code)[:80]
    if code in _TEMPORARY_CODES or reason in _TEMPORARY_REASONS:
        raise RetryLater(f"Alipay is busy: {reason}.")
    raise AlipayRejected(reason)
