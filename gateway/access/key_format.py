"""The format of a key: `maas_`, 32 random base-62 characters and a checksum of 6.

Admin keys begin with `maas_admin_`, so that neither kind is mistaken for the other. A mistyped key
is rejected without a database query, and secret scanners can find a leaked key.
"""

import secrets
import string
import zlib

API_KEY_PREFIX = "maas_"
ADMIN_KEY_PREFIX = "maas_admin_"
_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_RANDOM_LENGTH, _CHECKSUM_LENGTH = 32, 6
KEY_LENGTH = len(API_KEY_PREFIX) + _RANDOM_LENGTH + _CHECKSUM_LENGTH


def generate_api_key(prefix: str = API_KEY_PREFIX) -> str:
    """Generate an API key with about 190 random bits."""
    middle = "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM_LENGTH))
    return prefix + middle + _checksum(middle)


def is_well_formed(secret: str, prefix: str = API_KEY_PREFIX) -> bool:
    """Whether prefix, length and checksum are those of an API key. The key need not exist."""
    length = len(prefix) + _RANDOM_LENGTH + _CHECKSUM_LENGTH
    if len(secret) != length or not secret.startswith(prefix) or not secret.isascii():
        return False
    return _checksum(secret[len(prefix) : -_CHECKSUM_LENGTH]) == secret[-_CHECKSUM_LENGTH:]


def _checksum(text: str) -> str:
    """Return the CRC-32 of a text as 6 base-62 characters."""
    number = zlib.crc32(text.encode())
    digits = ""
    for _ in range(_CHECKSUM_LENGTH):
        number, digit = divmod(number, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits
