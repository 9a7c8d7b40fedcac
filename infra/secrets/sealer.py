"""Sealing: texts that the database keeps and that only this installation can read.

Owns the cipher, AES-GCM under a key made of the installation's secret.
"""

import hmac
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from infra.errors import AppError

_NONCE = 12


class SealBroken(AppError):
    """Sealed with another secret key, changed since, or sealed for something else."""

    code = "seal_broken"


class Sealer:
    """Seals and opens with the secret of infra/secrets/secret_key.py."""

    def __init__(self, secret: bytes) -> None:
        self._cipher = AESGCM(hmac.digest(secret, b"maas sealing 1", "sha256"))

    def seal(self, text: str, purpose: str) -> bytes:
        """The text under a fresh nonce. It opens for the same purpose only, as `totp:<person>`, so
        that one row's value put into another is of no use."""
        nonce = secrets.token_bytes(_NONCE)
        return nonce + self._cipher.encrypt(nonce, text.encode(), purpose.encode())

    def open(self, sealed: bytes, purpose: str) -> str:
        """The text again. Raises SealBroken."""
        try:
            return self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], purpose.encode()).decode()
        except (InvalidTag, ValueError) as error:
            raise SealBroken(
                "A sealed value cannot be opened: MAAS_SECRET_KEY is another one than it was."
            ) from error
