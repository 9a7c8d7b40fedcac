"""What attempts are counted by, and how many are free."""

from datetime import timedelta

from gateway.identity.client_origin import Place
from gateway.identity.email_address import EmailInvalid, normal_email
from gateway.identity.lockout import Counted, Rule

_OF_A_PERSON = Rule(5, timedelta(seconds=30), timedelta(minutes=15))
# An office has one address for many people.
_OF_AN_ADDRESS = Rule(20, timedelta(seconds=30), timedelta(hours=1))
_RESETS_OF_A_PERSON = Rule(3, timedelta(minutes=10), timedelta(hours=4))
_RESETS_OF_AN_ADDRESS = Rule(20, timedelta(minutes=1), timedelta(hours=1))
_LONGEST = 400


def by_email(email: str) -> Counted:
    """Guesses at one person's password or codes; what is no address is counted as it is."""
    return Counted("email", _form(email), _OF_A_PERSON)


def by_place(place: Place) -> Counted:
    """Guesses from one network address."""
    return Counted("network", place.network, _OF_AN_ADDRESS)


def resets_by_email(email: str) -> Counted:
    """Links for one mailbox."""
    return Counted("reset-email", _form(email), _RESETS_OF_A_PERSON)


def resets_by_place(place: Place) -> Counted:
    """Links asked for from one network address."""
    return Counted("reset-network", place.network, _RESETS_OF_AN_ADDRESS)


def _form(email: str) -> str:
    try:
        return normal_email(email)
    except EmailInvalid:
        return email[:_LONGEST]
