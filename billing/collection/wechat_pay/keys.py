"""WeChat Pay's public keys, with which it signs answers and notifications, by serial number.

Each is a file `<serial>.pem` in a folder: a platform certificate, or a public key whose serial
begins with `PUB_KEY_ID_`. Several are valid at once while WeChat Pay rotates them. Files are read
at each use, so a key that is removed is refused at once, in every process.
"""

import re
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from cryptography.x509 import load_pem_x509_certificate

_SERIAL = re.compile(r"[0-9A-Za-z_]{8,80}")
_PUBLIC_KEY_PREFIX = "PUB_KEY_ID_"
_SUFFIX = ".pem"


class PlatformKeys:
    """The public keys in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, serial: str, now: datetime) -> RSAPublicKey | None:
        """Return the key with a serial number; None if it is unknown, unusable or not valid now."""
        if _SERIAL.fullmatch(serial) is None:
            return None
        try:
            return _load_key((self._folder / f"{serial}{_SUFFIX}").read_bytes(), now)
        except (OSError, ValueError):
            return None

    def preferred_serial(self) -> str | None:
        """Return the serial of a public key with which WeChat Pay is to sign, None without one.

        Merchants with certificates only get answers signed with the certificate in force.
        """
        names = sorted(path.stem for path in self._folder.glob(f"{_PUBLIC_KEY_PREFIX}*{_SUFFIX}"))
        return names[-1] if names else None

    def store(self, serial: str, certificate: bytes) -> bool:
        """Store a certificate (PEM) under its serial number; return whether it is new.

        Raises ValueError if it is not a certificate with this serial number, OSError if it cannot
        be written.
        """
        parsed = load_pem_x509_certificate(certificate)
        if _SERIAL.fullmatch(serial) is None or parsed.serial_number != int(serial, 16):
            raise ValueError("the certificate has another serial number")
        path = self._folder / f"{serial}{_SUFFIX}"
        if path.exists():
            return False
        path.write_bytes(certificate)
        return True


def _load_key(content: bytes, now: datetime) -> RSAPublicKey | None:
    """Return the RSA key of a PEM file; None if its certificate is not valid now, or not RSA."""
    if b"CERTIFICATE" not in content:
        key = load_pem_public_key(content)
    else:
        certificate = load_pem_x509_certificate(content)
        if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            return None
        key = certificate.public_key()
    return key if isinstance(key, RSAPublicKey) else None
