"""Where a request has its API key: `Authorization: Bearer`, or `x-api-key` as Anthropic's clients
send it. The first counts if both are sent."""

from collections.abc import Mapping

AUTHORIZATION, API_KEY_HEADER = "authorization", "x-api-key"
_API_KEY_HEADER = API_KEY_HEADER.encode()


def find_credentials(headers: Mapping[str, str]) -> str | None:
    """Return the credentials in the form of an Authorization header, None if there are none."""
    authorization = headers.get(AUTHORIZATION)
    return as_bearer(headers.get(API_KEY_HEADER)) if authorization is None else authorization


def find_api_key(headers: Mapping[bytes, bytes]) -> str | None:
    """Return the key in `x-api-key` in the form of an Authorization header, None without one."""
    key = headers.get(_API_KEY_HEADER)
    return None if key is None else as_bearer(key.decode("latin-1"))


def as_bearer(key: str | None) -> str | None:
    """Return a key in the form of an Authorization header."""
    return None if key is None else f"Bearer {key}"
