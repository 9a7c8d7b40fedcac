"""Single sign-on: send a browser to an identity provider, and sign its person in on return.

    begin -> encrypted cookie and redirect -> provider -> complete -> person -> session
                                                       -> link to the signed-in person

A new identity is linked to the person with the same address only if the provider states that the
address is verified, its domain is configured, and the person is not of the platform's staff.
"""

import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.identity.audit_log import Actor
from gateway.identity.client_origin import ClientOrigin
from gateway.identity.current_user import Viewer
from gateway.identity.email_address import EmailInvalid, normalize_email
from gateway.identity.links import Links
from gateway.identity.login import LoginService, SignInMethod
from gateway.identity.people import find_person_by_email
from gateway.identity.sessions import NewSession
from gateway.identity.sso.configuration import ConfiguredProvider
from gateway.identity.sso.linked_identities import find_linked_person, link_identity
from gateway.identity.sso.provider import ExternalIdentity, IdentityNotVerified, SignInAttempt
from gateway.tables import Person
from infra.clock import Clock
from infra.database.database import Database
from infra.errors import AppError
from infra.secrets.sealer import SealBroken, Sealer

ATTEMPT_LIFETIME = timedelta(minutes=10)
_SECRET_BYTES = 32


class ProviderNotFound(AppError):
    """No identity provider of this id is configured."""

    status = 404
    type = "invalid_request_error"
    code = "login_provider_not_found"


class IdentityUnknown(AppError):
    """The identity is valid, but linked to nobody."""

    status = 401
    type = "invalid_request_error"
    code = "identity_unknown"


class _Cookie(msgspec.Struct, frozen=True):
    """The content of the encrypted cookie: the attempt, and where the browser goes afterwards."""

    attempt: SignInAttempt
    return_to: str
    links_person: str | None
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class BegunSignIn:
    """Where to send the browser, and the value of its cookie."""

    url: str
    cookie: str


@dataclass(frozen=True, slots=True)
class ReturnedBrowser:
    """A browser that a provider sent back: its parameters, its cookie and its origin."""

    parameters: Mapping[str, str]
    cookie: str | None
    origin: ClientOrigin


class SingleSignOn:
    """Signs people in with the configured identity providers."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        providers: Mapping[str, ConfiguredProvider],
        login: LoginService,
        sealer: Sealer,
        links: Links,
    ) -> None:
        self._database = database
        self._clock = clock
        self._providers = providers
        self._login = login
        self._sealer = sealer
        self._links = links

    @property
    def providers(self) -> list[ConfiguredProvider]:
        """The configured providers, in the file's order."""
        return list(self._providers.values())

    async def begin(
        self, provider_id: str, return_to: str, viewer: Viewer | None = None
    ) -> BegunSignIn:
        """Begin a sign-in, or with a `viewer` the linking of an identity to this person.

        Raises ProviderNotFound, ProviderUnavailable.
        """
        configured = self._provider(provider_id)
        attempt = SignInAttempt(
            state=secrets.token_urlsafe(_SECRET_BYTES),
            nonce=secrets.token_urlsafe(_SECRET_BYTES),
            verifier=secrets.token_urlsafe(_SECRET_BYTES),
            redirect_uri=f"{self._links.dashboard}/sign-in/with/{provider_id}/return",
        )
        person = None if viewer is None else viewer.person_id.hex
        cookie = _Cookie(attempt, return_to, person, self._clock.now() + ATTEMPT_LIFETIME)
        sealed = self._sealer.seal_bytes(msgspec.json.encode(cookie), _purpose(provider_id))
        url = await configured.provider.authorization_url(attempt)
        return BegunSignIn(url, urlsafe_b64encode(sealed).decode())

    async def complete(self, provider_id: str, browser: ReturnedBrowser) -> tuple[NewSession, str]:
        """Sign the person in. Returns the session and the path to continue at.

        Raises ProviderNotFound, ProviderUnavailable, IdentityNotVerified, IdentityUnknown,
        SecondFactorRequired, NoAccount.
        """
        cookie, identity = await self._identify(provider_id, browser)
        if cookie.links_person is not None:
            raise IdentityNotVerified("This answer belongs to another step.")
        async with self._database.transaction() as session:
            person = await self._find_person(session, provider_id, identity, browser.origin)
        new_session = await self._login.sign_in_verified(
            person, browser.origin, SignInMethod(provider_id)
        )
        return new_session, cookie.return_to

    async def complete_link(
        self, provider_id: str, browser: ReturnedBrowser, viewer: Viewer
    ) -> None:
        """Link the returned identity to the signed-in person who began the linking.

        Raises as `complete`, and IdentityTaken.
        """
        cookie, identity = await self._identify(provider_id, browser)
        if cookie.links_person != viewer.person_id.hex:
            raise IdentityNotVerified("The linking was begun by another person.")
        actor = Actor(viewer.person_id, browser.origin.address)
        async with self._database.transaction() as session:
            await link_identity(
                session, self._clock, actor, viewer.account_id, provider_id, identity
            )

    def is_linking(self, provider_id: str, cookie: str | None) -> bool:
        """Return whether a browser's cookie is of a linking instead of a sign-in."""
        opened = self._open(provider_id, cookie)
        return opened is not None and opened.links_person is not None

    async def _identify(
        self, provider_id: str, browser: ReturnedBrowser
    ) -> tuple[_Cookie, ExternalIdentity]:
        """Check that the answer belongs to this browser's attempt, and ask the provider."""
        configured = self._provider(provider_id)
        cookie = self._open(provider_id, browser.cookie)
        state = browser.parameters.get("state", "")
        if cookie is None or not hmac.compare_digest(cookie.attempt.state.encode(), state.encode()):
            raise IdentityNotVerified("The sign-in was not begun in this browser, or expired.")
        identity = await configured.provider.identify(cookie.attempt, browser.parameters)
        return cookie, identity

    async def _find_person(
        self,
        session: AsyncSession,
        provider_id: str,
        identity: ExternalIdentity,
        origin: ClientOrigin,
    ) -> Person:
        """Return the person of an identity, linking by a verified address where configured."""
        person = await find_linked_person(session, self._clock, provider_id, identity.subject)
        if person is not None:
            return person
        person = await self._person_by_email(session, provider_id, identity)
        if person is None:
            raise IdentityUnknown("No person here is linked to this identity.")
        actor = Actor(person.id, origin.address)
        await link_identity(session, self._clock, actor, None, provider_id, identity)
        return person

    async def _person_by_email(
        self, session: AsyncSession, provider_id: str, identity: ExternalIdentity
    ) -> Person | None:
        """Return the person with the identity's verified address, if it may be linked by it."""
        domains = self._providers[provider_id].email_domains
        try:
            email = normalize_email(identity.verified_email or "")
        except EmailInvalid:
            return None
        if email.rpartition("@")[2] not in domains:
            return None
        person = await find_person_by_email(session, email)
        return None if person is None or person.platform_role is not None else person

    def _open(self, provider_id: str, cookie: str | None) -> _Cookie | None:
        """Decrypt a cookie; None if it is missing, modified, of another provider or expired."""
        try:
            sealed = urlsafe_b64decode(cookie or "")
            content = self._sealer.open_bytes(sealed, _purpose(provider_id))
            opened = msgspec.json.decode(content, type=_Cookie)
        except (ValueError, SealBroken):
            return None
        return opened if opened.expires_at > self._clock.now() else None

    def _provider(self, provider_id: str) -> ConfiguredProvider:
        """Return a configured provider. Raises ProviderNotFound."""
        found = self._providers.get(provider_id)
        if found is None:
            raise ProviderNotFound("This way of signing in is not configured.")
        return found


def _purpose(provider_id: str) -> str:
    """Return the purpose that a cookie is encrypted for."""
    return f"sign_in:{provider_id}"
