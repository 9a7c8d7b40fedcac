"""Signatures of Alipay's open platform: RSA2, which is SHA256 with RSA.

request        over all parameters, sorted by name, as `name=value` joined by `&`
notification   the same without `sign_type`
answer         over the text of the answer's object, exactly as it stands in the body
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256

SIGN_TYPE = "RSA2"


class NotAuthentic(Exception):
    """A message is not signed by Alipay, or not of its form."""


def sign_parameters(key: RSAPrivateKey, parameters: Mapping[str, str]) -> str:
    """Return the signature of a request's parameters, in base64."""
    content = _signed_content(parameters, frozenset({"sign"}))
    return b64encode(key.sign(content, PKCS1v15(), SHA256())).decode()


def verify_parameters(key: RSAPublicKey, parameters: Mapping[str, str]) -> None:
    """Check the signature of a notification's parameters. Raises NotAuthentic."""
    if parameters.get("sign_type") != SIGN_TYPE:
        raise NotAuthentic("it is not signed by RSA2")
    content = _signed_content(parameters, frozenset({"sign", "sign_type"}))
    _verify(key, content, parameters.get("sign", ""))


def verify_answer(key: RSAPublicKey, body: bytes, name: str) -> dict[str, Any]:
    """Check the signature of an answer; return its object `name`. Raises NotAuthentic."""
    try:
        text = body.decode()
        signature = msgspec.json.decode(text, type=dict[str, Any])["sign"]
        start = text.index(":", text.index(f'"{name}"')) + 1
        start += len(text[start:]) - len(text[start:].lstrip())
        content, end = json.JSONDecoder().raw_decode(text, start)
    except (ValueError, KeyError) as error:  # UnicodeDecodeError and DecodeError are ValueErrors
        raise NotAuthentic("it is not an answer of Alipay") from error
    _verify(key, text[start:end].encode(), str(signature))
    if not isinstance(content, dict):
        raise NotAuthentic("it is not an object")
    return content


def _signed_content(parameters: Mapping[str, str], without: frozenset[str]) -> bytes:
    """Return what is signed of parameters; those without a value are left out."""
    return "&".join(
        f"{name}={value}"
        for name, value in sorted(parameters.items())
        if value and name not in without
    ).encode()


def _verify(key: RSAPublicKey, content: bytes, signature: str) -> None:
    """Raise NotAuthentic unless the signature (base64) is the content's."""
    try:
        key.verify(b64decode(signature, validate=True), content, PKCS1v15(), SHA256())
    except (ValueError, InvalidSignature) as error:
        raise NotAuthentic("its signature is wrong") from error
