"""What payment providers read from the settings: keys and the address of notifications."""

from base64 import b64decode

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import (
    load_der_private_key,
    load_der_public_key,
    load_pem_private_key,
    load_pem_public_key,
)
from pydantic import SecretStr

from billing.collection.payments.provider import ProviderInfo
from infra.settings import Settings, SettingsInvalid

_MIN_KEY_BITS = 2048


def load_private_key(secret: SecretStr, variable: str) -> RSAPrivateKey:
    """Return an RSA private key: PEM, or the base64 of one line that Alipay's key tool writes.

    Raises SettingsInvalid, which names the variable.
    """
    text = secret.get_secret_value().strip()
    try:
        is_pem = text.startswith("-----")
        content = text.encode() if is_pem else b64decode(text)
        key = (load_pem_private_key if is_pem else load_der_private_key)(content, None)
    except (ValueError, TypeError):
        raise SettingsInvalid(f"{variable} is not a private key in PEM or base64.") from None
    if not isinstance(key, RSAPrivateKey) or key.key_size < _MIN_KEY_BITS:
        raise SettingsInvalid(f"{variable} is not an RSA key of at least {_MIN_KEY_BITS} bits.")
    return key


def load_public_key(text: str, variable: str) -> RSAPublicKey:
    """Return an RSA public key: PEM, or base64 in one line. Raises SettingsInvalid."""
    text = text.strip()
    try:
        is_pem = text.startswith("-----")
        content = text.encode() if is_pem else b64decode(text)
        key = (load_pem_public_key if is_pem else load_der_public_key)(content)
    except (ValueError, TypeError):
        raise SettingsInvalid(f"{variable} is not a public key in PEM or base64.") from None
    if not isinstance(key, RSAPublicKey):
        raise SettingsInvalid(f"{variable} is not an RSA key.")
    return key


def notification_url(settings: Settings, info: ProviderInfo) -> str:
    """Return the address to which a provider sends notifications.

    Raises SettingsInvalid without MAAS_PUBLIC_URL: the provider would notify an address that it
    cannot reach.
    """
    if settings.public_url is None:
        raise SettingsInvalid(
            f"{info.label} needs MAAS_PUBLIC_URL, the address to which it sends notifications."
        )
    return f"{settings.public_url.rstrip('/')}{info.notification_path}"
