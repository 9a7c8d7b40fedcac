"""RSA keys and certificates of the stand-ins and of their merchant, made once per run."""

from base64 import b64encode
from datetime import UTC, datetime
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import NameOID

VALID_FROM, VALID_UNTIL = datetime(2026, 1, 1, tzinfo=UTC), datetime(2031, 1, 1, tzinfo=UTC)


@cache
def rsa_key(owner: str) -> RSAPrivateKey:
    """The key of an owner, such as `merchant` or `wechat 1`."""
    return generate_private_key(65537, 2048)


def signed(owner: str, content: bytes) -> str:
    """The signature of an owner, in base64."""
    return b64encode(rsa_key(owner).sign(content, PKCS1v15(), SHA256())).decode()


def verifies(owner: str, signature: bytes, content: bytes) -> None:
    """Raise InvalidSignature unless the owner signed the content."""
    rsa_key(owner).public_key().verify(signature, content, PKCS1v15(), SHA256())


def private_pem(owner: str) -> str:
    key = rsa_key(owner)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def private_base64(owner: str) -> str:
    """The one line that Alipay's key tool writes."""
    key = rsa_key(owner)
    return b64encode(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())).decode()


def public_pem(owner: str) -> str:
    key = rsa_key(owner).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def public_base64(owner: str) -> str:
    key = rsa_key(owner).public_key()
    return b64encode(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


@cache
def certificate_pem(owner: str, serial: str, until: datetime = VALID_UNTIL) -> bytes:
    """A certificate of an owner's key with this serial number, in hexadecimal."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, owner)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(rsa_key(owner).public_key())
        .serial_number(int(serial, 16))
        .not_valid_before(VALID_FROM)
        .not_valid_after(until)
        .sign(rsa_key(owner), SHA256())
    )
    return certificate.public_bytes(Encoding.PEM)
