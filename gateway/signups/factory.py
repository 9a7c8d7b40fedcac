"""Builds the sign-up service of a process from the settings."""

from gateway.identity.links import Links
from gateway.identity.passwords import Passwords
from gateway.signups.messages import SignupMessages
from gateway.signups.policy import SignupPolicy
from gateway.signups.ports import CompanyRegister
from gateway.signups.service import SignupService
from infra.clock import Clock
from infra.database.database import Database
from infra.secrets.sealer import Sealer
from infra.secrets.secret_key import secret_key
from infra.settings import Settings


def build_signups(
    settings: Settings,
    clock: Clock,
    database: Database,
    passwords: Passwords,
    register: CompanyRegister | None = None,
) -> SignupService:
    """Build the service. Raises SettingsInvalid, such as for a missing text."""
    messages = build_messages(settings, clock)
    policy = SignupPolicy.from_settings(settings)
    pepper = secret_key(settings)
    return SignupService(
        database, clock, passwords, pepper, policy, messages, sender=messages, register=register
    )


def build_messages(settings: Settings, clock: Clock) -> SignupMessages:
    """Build the e-mails of sign-ups."""
    return SignupMessages(clock, Sealer(secret_key(settings)), Links.from_settings(settings))
