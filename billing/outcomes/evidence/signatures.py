"""Signing: what an attester signs, with which key, and whether a signature fits.

    maas-evidence-v1
    octr_<contract's id>
    <kind, as readings>
    <SHA-256 of the evidence's bytes, in hexadecimal digits>

Four lines, each with a line feed, as ASCII; the signature is Ed25519's over these bytes. So what is
signed for one contract or as one kind is of no use as another, nor outside of here. Pure.
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

# The points of small order: for such a "key" anybody can make signatures that fit.
_PRIME = 2**255 - 19
_EIGHTH = int.from_bytes(
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"
)
_WEAK = frozenset({0, 1, _PRIME - 1, _EIGHTH, _PRIME - _EIGHTH})
_DOMAIN = "maas-evidence-v1"
_KEY_BYTES, _SIGNATURE_BYTES = 32, 64
_MOST_TEXT = 1_000


class AttestationKeyInvalid(AppError):
    """A text that is no Ed25519 key."""

    status = 400
    type = "invalid_request_error"
    code = "attestation_key_invalid"


class AttestationInvalid(AppError):
    """A signature that is not the attester's, or not over this evidence, contract and kind."""

    status = 400
    type = "invalid_request_error"
    code = "attestation_invalid"


def message_of(contract: str, kind: str, body: bytes) -> bytes:
    """The bytes to sign; a contract is named by its id, `octr_…`."""
    return f"{_DOMAIN}\n{contract}\n{kind}\n{hashlib.sha256(body).hexdigest()}\n".encode()


def fits(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the key's owner signed the message."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except InvalidSignature:
        return False
    return True


def read_public_key(text: str) -> bytes:
    """The 32 bytes of a key in PEM or base64. Raises AttestationKeyInvalid."""
    text = text.strip()
    content = _pem(text) if text.startswith("-----") else _base64(text, _KEY_BYTES)
    if content is None or _is_weak(content):
        said = "A public key is one of Ed25519, in PEM or as base64 of its 32 bytes."
        raise AttestationKeyInvalid(said, param="public_key")
    return content


def read_signature(text: str) -> bytes:
    """The 64 bytes of a signature in base64. Raises AttestationInvalid."""
    content = _base64(text, _SIGNATURE_BYTES)
    if content is None:
        raise AttestationInvalid("A signature is base64 of 64 bytes.", param="signature")
    return content


def sign(private_key: bytes, message: bytes) -> str:
    """The signature in base64, with a private key in PEM. Raises AttestationKeyInvalid."""
    try:
        key = load_pem_private_key(private_key, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise AttestationKeyInvalid("This is no private key of Ed25519 in PEM without a password.")
    return b64encode(key.sign(message)).decode()


def make_keys() -> tuple[bytes, bytes]:
    """A fresh private key and its public one, both in PEM as openssl writes them."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return private, public


def public_pem(public_key: bytes) -> str:
    """The key as openssl reads it."""
    key = Ed25519PublicKey.from_public_bytes(public_key)
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def _pem(text: str) -> bytes | None:
    try:
        key = load_pem_public_key(text[:_MOST_TEXT].encode())
    except (ValueError, UnsupportedAlgorithm):
        return None
    if not isinstance(key, Ed25519PublicKey):
        return None
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def _is_weak(public_key: bytes) -> bool:
    y = int.from_bytes(public_key, "little") % 2**255  # without the sign of x
    return y % _PRIME in _WEAK


def _base64(text: str, size: int) -> bytes | None:
    try:
        content = b64decode(text.strip()[:_MOST_TEXT], validate=True)
    except ValueError:
        return None
    return content if len(content) == size else None
