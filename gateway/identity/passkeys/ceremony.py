"""The WebAuthn ceremonies: options for the browser, and verification of its device's answer.

The challenge is kept in the browser's encrypted cookie until the answer arrives.
"""

import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit
from uuid import UUID

import msgspec
from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from infra.errors import AppError
from infra.secrets.sealer import SealBroken, Sealer

CEREMONY_LIFETIME = timedelta(minutes=5)
_CHALLENGE_BYTES = 32
_PURPOSE = "passkey"
_VERIFIED = UserVerificationRequirement.REQUIRED


class PasskeyRefused(AppError):
    """The device's answer does not prove possession of a passkey of this gateway."""

    status = 401
    type = "invalid_request_error"
    code = "passkey_refused"


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """The gateway as browsers know it: its host name, and the origin of its pages."""

    host: str
    origin: str

    @classmethod
    def from_base_url(cls, base_url: str) -> "RelyingParty | None":
        """Return the relying party of a base URL; None where browsers allow no passkeys.

        They need a host name and HTTPS, or `localhost`.
        """
        parts = urlsplit(base_url)
        host = parts.hostname or ""
        is_name = host == "localhost" or ("." in host and not host.replace(".", "").isdigit())
        if not is_name or (parts.scheme != "https" and host != "localhost"):
            return None
        return cls(host, f"{parts.scheme}://{parts.netloc}")


@dataclass(frozen=True, slots=True)
class Ceremony:
    """A begun ceremony: options for the browser as JSON, and the value of its cookie."""

    options: str
    cookie: str


@dataclass(frozen=True, slots=True)
class NewPasskey:
    """A verified new credential."""

    credential_id: bytes
    public_key: bytes
    sign_count: int


class _Cookie(msgspec.Struct, frozen=True):
    """The content of the encrypted cookie; `person` is set while a passkey is created."""

    challenge: bytes
    expires_at: datetime
    person: str | None = None


class Ceremonies:
    """Begins ceremonies and verifies their answers, for one relying party."""

    def __init__(self, party: RelyingParty, sealer: Sealer) -> None:
        self._party = party
        self._sealer = sealer

    def begin_registration(
        self, person_id: UUID, email: str, name: str, known: Iterable[bytes], now: datetime
    ) -> Ceremony:
        """Begin the creation of a passkey; devices with one of `known` are left out."""
        challenge = secrets.token_bytes(_CHALLENGE_BYTES)
        options = generate_registration_options(
            rp_id=self._party.host,
            rp_name="MaaS",
            user_id=person_id.bytes,
            user_name=email,
            user_display_name=name,
            challenge=challenge,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED, user_verification=_VERIFIED
            ),
            exclude_credentials=[PublicKeyCredentialDescriptor(id=each) for each in known],
        )
        return Ceremony(options_to_json(options), self._seal(challenge, now, person_id.hex))

    def verify_registration(
        self, cookie: str | None, answer: bytes, person_id: UUID, now: datetime
    ) -> NewPasskey:
        """Return the new credential of an answer. Raises PasskeyRefused."""
        opened = self._open(cookie, now)
        if opened.person != person_id.hex:
            raise PasskeyRefused("The passkey was begun by another person.")
        try:
            verified = verify_registration_response(
                credential=_text(answer),
                expected_challenge=opened.challenge,
                expected_rp_id=self._party.host,
                expected_origin=self._party.origin,
                require_user_verification=True,
            )
        except (WebAuthnException, ValueError, KeyError, TypeError) as error:
            raise PasskeyRefused("The device's answer is not valid.") from error
        return NewPasskey(
            verified.credential_id, verified.credential_public_key, verified.sign_count
        )

    def begin_sign_in(self, now: datetime) -> Ceremony:
        """Begin a sign-in with any passkey that the device has for this host."""
        challenge = secrets.token_bytes(_CHALLENGE_BYTES)
        options = generate_authentication_options(
            rp_id=self._party.host, challenge=challenge, user_verification=_VERIFIED
        )
        return Ceremony(options_to_json(options), self._seal(challenge, now, None))

    def challenge_of(self, cookie: str | None, now: datetime) -> bytes:
        """Return the challenge of a sign-in. Raises PasskeyRefused."""
        opened = self._open(cookie, now)
        if opened.person is not None:
            raise PasskeyRefused("This answer belongs to another step.")
        return opened.challenge

    def verify_sign_in(
        self, challenge: bytes, answer: bytes, public_key: bytes, sign_count: int
    ) -> int:
        """Verify an answer against a stored passkey; return the new count.

        Raises PasskeyRefused, also if the count does not rise: the passkey may be copied.
        """
        try:
            return verify_authentication_response(
                credential=_text(answer),
                expected_challenge=challenge,
                expected_rp_id=self._party.host,
                expected_origin=self._party.origin,
                credential_public_key=public_key,
                credential_current_sign_count=sign_count,
                require_user_verification=True,
            ).new_sign_count
        except (WebAuthnException, ValueError, KeyError, TypeError) as error:
            raise PasskeyRefused("The device's answer is not valid.") from error

    def _seal(self, challenge: bytes, now: datetime, person: str | None) -> str:
        """Return the cookie of a challenge."""
        content = msgspec.json.encode(_Cookie(challenge, now + CEREMONY_LIFETIME, person))
        return urlsafe_b64encode(self._sealer.seal_bytes(content, _PURPOSE)).decode()

    def _open(self, cookie: str | None, now: datetime) -> _Cookie:
        """Decrypt a cookie. Raises PasskeyRefused if it is missing, modified or expired."""
        try:
            content = self._sealer.open_bytes(urlsafe_b64decode(cookie or ""), _PURPOSE)
            opened = msgspec.json.decode(content, type=_Cookie)
        except (ValueError, SealBroken) as error:
            raise PasskeyRefused("The step was not begun in this browser.") from error
        if opened.expires_at <= now:
            raise PasskeyRefused("The step took too long.")
        return opened


def credential_id(answer: bytes) -> bytes:
    """Return the id of the credential that an answer names. Raises PasskeyRefused."""
    try:
        text = msgspec.json.decode(answer, type=_Answer).id
        return urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (ValueError, msgspec.MsgspecError) as error:
        raise PasskeyRefused("The device's answer is not valid.") from error


class _Answer(msgspec.Struct):
    """The field of a device's answer that is needed to find the passkey."""

    id: str


def _text(answer: bytes) -> str:
    """Return an answer as text. Raises ValueError if it is not UTF-8."""
    return answer.decode()
