"""Signatures and encryption of WeChat Pay's API v3.

request        SHA256 with RSA over method, target, time, nonce and body, by the merchant's key
answer,        SHA256 with RSA over time, nonce and body, by a key of WeChat Pay, named by its
notification   serial number in the headers
resource       AES-256-GCM with the API v3 key: contents of notifications and certificates
"""

import secrets
from base64 import b64decode, b64encode
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256

from billing.collection.wechat_pay.keys import PlatformKeys

_SCHEME = "WECHATPAY2-SHA256-RSA2048"
# Replays of older messages are refused, as WeChat Pay advises.
_MAX_AGE_S = 300


class NotAuthentic(Exception):
    """A message is not signed by WeChat Pay, is too old, or cannot be decrypted."""


def authorization(
    key: RSAPrivateKey,
    mch_id: str,
    serial: str,
    request: tuple[str, str, bytes],
    now: datetime,
    nonce: str | None = None,
) -> str:
    """Return the Authorization header of a request: its method, target with query, and body."""
    method, target, body = request
    nonce, timestamp = nonce or secrets.token_hex(16), str(int(now.timestamp()))
    message = "\n".join((method, target, timestamp, nonce, body.decode(), ""))
    signature = b64encode(key.sign(message.encode(), PKCS1v15(), SHA256())).decode()
    return (
        f'{_SCHEME} mchid="{mch_id}",nonce_str="{nonce}",signature="{signature}",'
        f'timestamp="{timestamp}",serial_no="{serial}"'
    )


def verify_message(
    keys: PlatformKeys, headers: Mapping[str, str], body: bytes, now: datetime
) -> None:
    """Check the signature of an answer or a notification. Raises NotAuthentic.

    `headers` have lower-case names.
    """
    timestamp = headers.get("wechatpay-timestamp", "")
    if headers.get("wechatpay-signature-type", _SCHEME) != _SCHEME:
        raise NotAuthentic("it is signed by another algorithm")
    if not timestamp.isascii() or not timestamp.isdecimal() or len(timestamp) > 12:
        raise NotAuthentic("it has no time")
    if abs(now.timestamp() - int(timestamp)) > _MAX_AGE_S:
        raise NotAuthentic("it is too old")
    key = keys.find(headers.get("wechatpay-serial", ""), now)
    if key is None:
        raise NotAuthentic("it is signed with an unknown key")
    nonce = headers.get("wechatpay-nonce", "")
    message = f"{timestamp}\n{nonce}\n".encode() + body + b"\n"
    try:
        signature = b64decode(headers.get("wechatpay-signature", ""), validate=True)
        key.verify(signature, message, PKCS1v15(), SHA256())
    except (ValueError, InvalidSignature) as error:
        raise NotAuthentic("its signature is wrong") from error


def decrypt_resource(api_key: bytes, resource: Mapping[str, Any]) -> bytes:
    """Decrypt the resource of a notification or a certificate. Raises NotAuthentic."""
    try:
        if resource.get("algorithm") != "AEAD_AES_256_GCM":
            raise ValueError("another algorithm")
        return AESGCM(api_key).decrypt(
            str(resource["nonce"]).encode(),
            b64decode(str(resource["ciphertext"]), validate=True),
            str(resource.get("associated_data") or "").encode(),
        )
    except (KeyError, ValueError, InvalidTag) as error:
        raise NotAuthentic("its content cannot be decrypted") from error


def parse_object(body: bytes) -> dict[str, Any]:
    """Parse a JSON object. Raises NotAuthentic: what is authentic is a JSON object."""
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise NotAuthentic("it is not a JSON object") from error
