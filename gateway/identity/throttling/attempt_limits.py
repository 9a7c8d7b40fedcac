"""Attempt counters for logins and password resets, with their lockout policies."""

from datetime import timedelta

from gateway.identity.client_origin import ClientOrigin
from gateway.identity.email_address import EmailInvalid, normalize_email
from gateway.identity.throttling.lockout import AttemptCounter, LockoutPolicy

_PERSON_POLICY = LockoutPolicy(5, timedelta(seconds=30), timedelta(minutes=15))
# Higher than per person: an office shares one address.
_NETWORK_POLICY = LockoutPolicy(20, timedelta(seconds=30), timedelta(hours=1))
_PERSON_RESET_POLICY = LockoutPolicy(3, timedelta(minutes=10), timedelta(hours=4))
_NETWORK_RESET_POLICY = LockoutPolicy(20, timedelta(minutes=1), timedelta(hours=1))
_MAX_LENGTH = 400


def login_attempts_by_email(email: str) -> AttemptCounter:
    """Return the counter of password and code attempts for one e-mail address.

    Invalid addresses are counted by their text.
    """
    return AttemptCounter("email", _normalize_or_truncate(email), _PERSON_POLICY)


def login_attempts_by_network(origin: ClientOrigin) -> AttemptCounter:
    """Return the counter of login attempts from one network."""
    return AttemptCounter("network", origin.network, _NETWORK_POLICY)


def password_reset_requests_by_email(email: str) -> AttemptCounter:
    """Return the counter of password-reset requests for one mailbox."""
    return AttemptCounter("reset-email", _normalize_or_truncate(email), _PERSON_RESET_POLICY)


def password_reset_requests_by_network(origin: ClientOrigin) -> AttemptCounter:
    """Return the counter of password-reset requests from one network."""
    return AttemptCounter("reset-network", origin.network, _NETWORK_RESET_POLICY)


def _normalize_or_truncate(email: str) -> str:
    """Return the normalized address, or the start of an invalid one."""
    try:
        return normalize_email(email)
    except EmailInvalid:
        return email[:_MAX_LENGTH]
