"""JSON requests to identity providers: short timeouts, small answers, no redirects."""

from typing import Any

import httpx
import msgspec

from gateway.identity.sso.provider import ProviderUnavailable

_TIMEOUT_S = 10.0
_MAX_ANSWER_BYTES = 1 << 20


class ProviderHttp:
    """An HTTP client for identity providers; opens a connection per request, as they are rare."""

    def __init__(self, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._transport = transport

    async def get(self, url: str, **options: Any) -> dict[str, Any]:
        """GET a JSON object. Raises ProviderUnavailable."""
        return await self._request("GET", url, **options)

    async def post(self, url: str, **options: Any) -> dict[str, Any]:
        """POST and return the JSON object of the answer. Raises ProviderUnavailable."""
        return await self._request("POST", url, **options)

    async def _request(self, method: str, url: str, **options: Any) -> dict[str, Any]:
        """Send a request and parse the answer, whatever its status, as a JSON object."""
        try:
            async with (
                httpx.AsyncClient(timeout=_TIMEOUT_S, transport=self._transport) as client,
                client.stream(method, url, **options) as response,
            ):
                content = await _read(response)
        except httpx.HTTPError as error:
            raise ProviderUnavailable("The identity provider does not answer.") from error
        if response.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
            raise ProviderUnavailable(
                f"The identity provider answers with status {response.status_code}."
            )
        return _parse_object(content)


async def _read(response: httpx.Response) -> bytes:
    """Read an answer's body. Raises ProviderUnavailable if it is too long."""
    content = b""
    async for part in response.aiter_bytes():
        content += part
        if len(content) > _MAX_ANSWER_BYTES:
            raise ProviderUnavailable("The identity provider's answer is too long.")
    return content


def _parse_object(content: bytes) -> dict[str, Any]:
    """Parse a JSON object. Raises ProviderUnavailable."""
    try:
        value = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ProviderUnavailable("The identity provider's answer is not JSON.") from error
    if not isinstance(value, dict):
        raise ProviderUnavailable("The identity provider's answer is not a JSON object.")
    return value
