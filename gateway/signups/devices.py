"""The token of a browser: random, signed by this installation, kept in a first-party cookie.

It says only that two sign-ups came from one browser; a token that is not ours counts as none.
"""

import hmac
import secrets
from datetime import timedelta

COOKIE_LIFETIME = timedelta(days=365)
_SEPARATOR = "."


def generate_device_token(pepper: bytes) -> str:
    """Return a new token for a browser."""
    value = secrets.token_hex(16)
    return f"{value}{_SEPARATOR}{_signature(pepper, value)}"


def read_device_token(pepper: bytes, token: str | None) -> str | None:
    """Return the random value of a token, None if it is missing or its signature is not ours."""
    value, _, signature = (token or "")[:200].partition(_SEPARATOR)
    expected = _signature(pepper, value)
    is_ours = hmac.compare_digest(signature.encode(errors="replace"), expected.encode())
    return value if value and is_ours else None


def _signature(pepper: bytes, value: str) -> str:
    """Return the hexadecimal HMAC-SHA256 of a token's random value."""
    return hmac.digest(pepper, f"device:{value}".encode(errors="replace"), "sha256").hex()
