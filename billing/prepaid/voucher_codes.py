"""Voucher codes: 15 random characters and a check character, as `XXXX-XXXX-XXXX-XXXX`.

The alphabet has 31 characters, a prime number, without 0, 1, I, L and O. So a code holds 74 random
bits, and the weighted check character finds every wrong and every swapped character.
"""

import hashlib
import secrets

_ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
_RANDOM_LENGTH, _GROUP = 15, 4
_PREFIX = "maas-voucher:"


def new_voucher_code() -> str:
    """Return a new random code."""
    text = "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM_LENGTH))
    text += _check_character(text)
    return "-".join(text[at : at + _GROUP] for at in range(0, len(text), _GROUP))


def normalize_voucher_code(text: str) -> str | None:
    """Return a typed code in capitals without separators; None if it cannot be a code."""
    code = "".join(text.upper().split()).replace("-", "")
    if len(code) != _RANDOM_LENGTH + 1 or not set(code) <= set(_ALPHABET):
        return None
    return code if code[-1] == _check_character(code[:-1]) else None


def hash_voucher_code(code: str) -> bytes:
    """Return the SHA-256 hash under which a normalized code is stored.

    A plain hash suffices: a code has too many random bits to be found by trying.
    """
    return hashlib.sha256((_PREFIX + code).encode()).digest()


def _check_character(text: str) -> str:
    """Return the check character: the weighted sum of the characters modulo 31."""
    total = sum(weight * _ALPHABET.index(one) for weight, one in enumerate(text, 1))
    return _ALPHABET[total % len(_ALPHABET)]
