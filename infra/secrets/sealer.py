"""Encryption of texts stored in the database (AES-GCM, key derived from the secret key)."""

import hmac
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from infra.errors import AppError

_NONCE_BYTES = 12


class SealBroken(AppError):
    """The value was encrypted with another key or purpose, or was modified."""

    code = "seal_broken"


class Sealer:
    """Encrypts and decrypts texts with the installation's secret key."""

    def __init__(self, secret: bytes) -> None:
        self._cipher = AESGCM(hmac.digest(secret, b"maas sealing 1", "sha256"))

    def seal(self, text: str, purpose: str) -> bytes:
        """Encrypt a text, bound to a purpose such as `totp:<person>` as associated data.

        A value copied to another row cannot be decrypted.
        """
        return self.seal_bytes(text.encode(), purpose)

    def seal_bytes(self, content: bytes, purpose: str) -> bytes:
        """Encrypt bytes like a text."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, content, purpose.encode())

    def open(self, sealed: bytes, purpose: str) -> str:
        """Decrypt a text. Raises SealBroken."""
        return self.open_bytes(sealed, purpose).decode()

    def open_bytes(self, sealed: bytes, purpose: str) -> bytes:
        """Decrypt bytes. Raises SealBroken."""
        try:
            return self._cipher.decrypt(
                sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], purpose.encode()
            )
        except (InvalidTag, ValueError) as error:
            raise SealBroken(
                "A stored value cannot be decrypted: MAAS_SECRET_KEY has changed. Restore the "
                "previous key."
            ) from error
