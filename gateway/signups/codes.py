"""The code of a sign-up: six digits, stored as a keyed hash, compared in constant time.

A code can be tried five times within 15 minutes, and a sign-up has five codes: 25 guesses at
1,000,000 values.
"""

import hmac
import secrets
from datetime import timedelta
from uuid import UUID

CODE_LIFETIME = timedelta(minutes=15)
MAX_CODE_ATTEMPTS, MAX_CODES = 5, 5
_DIGITS = 6


def generate_code() -> str:
    """Return a random code of six digits."""
    return f"{secrets.randbelow(10**_DIGITS):0{_DIGITS}}"


def code_digest(pepper: bytes, signup_id: UUID, code: str) -> bytes:
    """Return the HMAC-SHA256 of a code, bound to its sign-up."""
    typed = "".join(code[:40].split())
    return hmac.digest(pepper, f"code:{signup_id.hex}:{typed}".encode(errors="replace"), "sha256")


def code_matches(stored: bytes, sent: bytes) -> bool:
    """Compare two digests in constant time."""
    return hmac.compare_digest(stored, sent)
