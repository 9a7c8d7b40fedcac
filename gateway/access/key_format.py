"""The form of an API key: `maas_`, 32 random base-62 characters and 6 that check them.

A mistyped key is refused without asking the database, and scanners can find a leaked one. Pure.
"""

import secrets
import string
import zlib

HEAD = "maas_"
_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_RANDOM, _CHECK = 32, 6
KEY_LENGTH = len(HEAD) + _RANDOM + _CHECK


def make_secret() -> str:
    """A fresh key: about 190 random bits."""
    middle = "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM))
    return HEAD + middle + _checksum(middle)


def well_formed(secret: str) -> bool:
    """Whether prefix, length and checksum are those of a key; says nothing of its rights."""
    if len(secret) != KEY_LENGTH or not secret.startswith(HEAD) or not secret.isascii():
        return False
    return _checksum(secret[len(HEAD) : -_CHECK]) == secret[-_CHECK:]


def _checksum(text: str) -> str:
    number = zlib.crc32(text.encode())
    digits = ""
    for _ in range(_CHECK):
        number, digit = divmod(number, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits
