"""The installation's Ed25519 key, with which it signs what others must be able to verify.

The key is derived from the secret key, so that every process signs with the same one and it needs
no storage of its own. Anybody can verify a signature with the public key.
"""

import hmac
from base64 import b64encode
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

_KEY_ID_LENGTH = 16


class SigningKey:
    """Signs messages of one purpose; another purpose has another key."""

    def __init__(self, secret: bytes, purpose: str) -> None:
        seed = hmac.digest(secret, b"maas signing 1 " + purpose.encode(), "sha256")
        self._key = Ed25519PrivateKey.from_private_bytes(seed)

    @property
    def public_key(self) -> bytes:
        """Return the 32 bytes of the public key."""
        return self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    @property
    def key_id(self) -> str:
        """Return the name of the public key: the beginning of its SHA-256 in hexadecimal."""
        return sha256(self.public_key).hexdigest()[:_KEY_ID_LENGTH]

    def sign(self, message: bytes) -> str:
        """Return the signature of a message, in base64."""
        return b64encode(self._key.sign(message)).decode()
