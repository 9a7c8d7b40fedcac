"""Connections to OPC UA servers: user, message security, and errors that refuse the sign-in."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from gateway.plant.connector.addresses import shown_address
from gateway.plant.connector.config import OpcUaConfig
from gateway.plant.connector.errors import ConnectorConfigInvalid
from gateway.plant.connector.passwords import read_password
from infra.lazy_import import LazyModule

# Its types are incomplete.
asyncua: Any = LazyModule("asyncua")
policies: Any = LazyModule("asyncua.crypto.security_policies")

_POLICIES = {
    "basic256sha256": "SecurityPolicyBasic256Sha256",
    "aes128_sha256_rsaoaep": "SecurityPolicyAes128Sha256RsaOaep",
    "aes256_sha256_rsapss": "SecurityPolicyAes256Sha256RsaPss",
}
_MODES = {"sign": "Sign", "sign_and_encrypt": "SignAndEncrypt"}
_DENIED = (
    *("BadUserAccessDenied", "BadIdentityTokenRejected", "BadIdentityTokenInvalid"),
    *("BadSecurityChecksFailed", "BadSecurityPolicyRejected", "BadSecurityModeRejected"),
    *("BadCertificateUntrusted", "BadCertificateInvalid", "BadCertificateUriInvalid"),
    *("BadCertificateTimeInvalid", "BadCertificateUseNotAllowed", "BadSecurityModeInsufficient"),
)


@dataclass(frozen=True, slots=True)
class OpcUaConnection:
    """How to connect to a server; made once, so that a missing secret shows at the start.

    application_uri: that of the certificate, which servers compare.
    """

    config: OpcUaConfig
    password: str | None
    application_uri: str | None

    @classmethod
    def of(cls, config: OpcUaConfig, environment: Mapping[str, str]) -> "OpcUaConnection":
        """Return the connection of a configuration. Raises ConnectorConfigInvalid."""
        shown = shown_address(config.url)
        owner = f"the user of {shown}"
        password = read_password(config.password_file, config.password_variable, environment, owner)
        if (config.username is None) != (password is None):
            raise ConnectorConfigInvalid(f"{shown} needs both `username` and a password.")
        uri = None if config.security == "none" else _check_files(config, shown)
        return cls(config, password, uri)

    async def client(self) -> Any:
        """Return a client that is not connected yet. Raises OSError, ValueError, UaError."""
        config, client = self.config, asyncua.Client(self.config.url)
        if config.username is not None:
            client.set_user(config.username)
            client.set_password(self.password)
        if config.security != "none":
            client.application_uri = self.application_uri
            await client.set_security(
                getattr(policies, _POLICIES[config.policy]),
                config.certificate_file,
                config.private_key_file,
                server_certificate=config.server_certificate_file,
                mode=getattr(asyncua.ua.MessageSecurityMode, _MODES[config.security]),
            )
        return client

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Any]:
        """Connect until the end of the block. Raises OSError, ValueError, UaError."""
        async with await self.client() as client:
            yield client


def is_denied(error: BaseException) -> bool:
    """Return whether a server refused the user, the certificate or the security settings."""
    codes = {getattr(asyncua.ua.StatusCodes, name) for name in _DENIED}
    return isinstance(error, asyncua.ua.UaStatusCodeError) and error.code in codes


def _check_files(config: OpcUaConfig, shown: str) -> str | None:
    """Return the application URI of the certificate. Raises ConnectorConfigInvalid.

    The server's certificate must be named: the one that a server sends proves nothing.
    """
    named = (config.certificate_file, config.private_key_file, config.server_certificate_file)
    if not all(named):
        raise ConnectorConfigInvalid(
            f"The security of {shown} needs `certificate_file`, `private_key_file` and "
            "`server_certificate_file`."
        )
    own, key, server = (Path(str(one)) for one in named)
    try:
        _certificate(server)
        if key.suffix == ".pem":
            load_pem_private_key(key.read_bytes(), None)
        else:
            key.read_bytes()
        names = _certificate(own).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise ConnectorConfigInvalid(f"The files of {shown} cannot be used: {error}.") from None
    uris = names.value.get_values_for_type(x509.UniformResourceIdentifier)
    return uris[0] if uris else None


def _certificate(path: Path) -> x509.Certificate:
    """Return a certificate in PEM or DER. Raises OSError, ValueError."""
    content = path.read_bytes()
    if content.startswith(b"-----"):
        return x509.load_pem_x509_certificate(content)
    return x509.load_der_x509_certificate(content)
