"""Ed25519 signatures of evidence: signed message, key parsing, signing and verification.

    maas-evidence-v1
    octr_<contract id>
    <evidence kind, such as readings>
    <SHA-256 of the body, in hexadecimal>

The signed message is these four ASCII lines, each with a line feed. A signature is therefore bound
to one contract, one kind and this system (domain separation).
"""

import hashlib
from base64 import b64decode, b64encode

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from infra.errors import AppError

# y coordinates of the points of small order: anyone can forge signatures for such a "key".
_FIELD_PRIME = 2**255 - 19
_ORDER_EIGHT_Y = int.from_bytes(
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"
)
_LOW_ORDER_YS = frozenset({0, 1, _FIELD_PRIME - 1, _ORDER_EIGHT_Y, _FIELD_PRIME - _ORDER_EIGHT_Y})
_DOMAIN = "maas-evidence-v1"
_KEY_BYTES, _SIGNATURE_BYTES = 32, 64
_MAX_TEXT_LENGTH = 1_000


class AttestationKeyInvalid(AppError):
    """The text is not an Ed25519 key."""

    status = 400
    type = "invalid_request_error"
    code = "attestation_key_invalid"


class AttestationInvalid(AppError):
    """The signature is not the attester's, or not over this evidence, contract and kind."""

    status = 400
    type = "invalid_request_error"
    code = "attestation_invalid"


def signing_message(contract: str, kind: str, body: bytes) -> bytes:
    """Return the bytes that an attester signs: contract id (`octr_…`), kind and body hash."""
    return f"{_DOMAIN}\n{contract}\n{kind}\n{hashlib.sha256(body).hexdigest()}\n".encode()


def is_valid_signature(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Return whether an Ed25519 signature is by this public key over this message."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except InvalidSignature:
        return False
    return True


def parse_public_key(text: str) -> bytes:
    """Parse a public key in PEM or base64 into its 32 bytes. Raises AttestationKeyInvalid."""
    text = text.strip()
    content = _decode_pem(text) if text.startswith("-----") else _decode_base64(text, _KEY_BYTES)
    if content is None or _is_low_order(content):
        message = "A public key must be an Ed25519 key in PEM or the base64 of its 32 bytes."
        raise AttestationKeyInvalid(message, param="public_key")
    return content


def parse_signature(text: str) -> bytes:
    """Parse a base64 signature into its 64 bytes. Raises AttestationInvalid."""
    content = _decode_base64(text, _SIGNATURE_BYTES)
    if content is None:
        raise AttestationInvalid("A signature must be 64 bytes in base64.", param="signature")
    return content


def sign(private_key: bytes, message: bytes) -> str:
    """Sign a message with a PEM private key; returns base64. Raises AttestationKeyInvalid."""
    try:
        key = load_pem_private_key(private_key, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise AttestationKeyInvalid(
            "The private key must be an Ed25519 key in PEM without a password."
        )
    return b64encode(key.sign(message)).decode()


def generate_key_pair() -> tuple[bytes, bytes]:
    """Generate a private key and its public key, both in PEM."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return private, public


def public_pem(public_key: bytes) -> str:
    """Encode a public key in PEM."""
    key = Ed25519PublicKey.from_public_bytes(public_key)
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def _decode_pem(text: str) -> bytes | None:
    """Return the 32 bytes of an Ed25519 public key in PEM, or None if it is not one."""
    try:
        key = load_pem_public_key(text[:_MAX_TEXT_LENGTH].encode())
    except (ValueError, UnsupportedAlgorithm):
        return None
    if not isinstance(key, Ed25519PublicKey):
        return None
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def _is_low_order(public_key: bytes) -> bool:
    """Return whether the key is a point of small order, for which anyone can sign."""
    y = int.from_bytes(public_key, "little") % 2**255  # without the sign bit of x
    return y % _FIELD_PRIME in _LOW_ORDER_YS


def _decode_base64(text: str, size: int) -> bytes | None:
    """Return the decoded bytes, or None if the text is not base64 of `size` bytes."""
    try:
        content = b64decode(text.strip()[:_MAX_TEXT_LENGTH], validate=True)
    except ValueError:
        return None
    return content if len(content) == size else None
