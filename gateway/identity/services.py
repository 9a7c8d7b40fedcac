"""Builds the identity services of one process from the settings."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from gateway.identity.invitation_acceptance import InvitationAcceptance
from gateway.identity.invitations import InvitationService
from gateway.identity.links import Links
from gateway.identity.login import LoginService
from gateway.identity.passkeys.service import PasskeyService
from gateway.identity.password_reset import PasswordResets
from gateway.identity.passwords import Passwords
from gateway.identity.profile import ProfileService
from gateway.identity.sso.configuration import ConfiguredProvider
from gateway.identity.sso.sign_on import SingleSignOn
from infra.clock import Clock
from infra.database.database import Database
from infra.secrets.sealer import Sealer

NO_PROVIDERS: Mapping[str, ConfiguredProvider] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class IdentityServices:
    """The stateful identity services of one process."""

    login: LoginService
    invitations: InvitationService
    invitation_acceptance: InvitationAcceptance
    password_resets: PasswordResets
    profile: ProfileService
    single_sign_on: SingleSignOn
    passkeys: PasskeyService
    sealer: Sealer
    links: Links


def build_identity(
    database: Database,
    clock: Clock,
    secret: bytes,
    links: Links,
    passwords: Passwords,
    providers: Mapping[str, ConfiguredProvider] = NO_PROVIDERS,
) -> IdentityServices:
    """Build the services. `secret` is the installation's (infra/secrets/secret_key.py)."""
    sealer = Sealer(secret)
    login = LoginService(database, clock, passwords, sealer, links)
    return IdentityServices(
        login=login,
        single_sign_on=SingleSignOn(database, clock, providers, login, sealer, links),
        passkeys=PasskeyService(database, clock, login, sealer, links),
        invitations=InvitationService(clock, sealer, links),
        invitation_acceptance=InvitationAcceptance(database, clock, passwords),
        password_resets=PasswordResets(database, clock, passwords, sealer, links),
        profile=ProfileService(database, clock, passwords, sealer, links),
        sealer=sealer,
        links=links,
    )
