"""Subjects and texts of e-mails about sign-ups (gateway/signups/messages.py), by kind.

Before an address is verified, an e-mail to it contains nothing that its sender entered: otherwise
sign-up would be a way to send one's own text to anybody.
"""

from collections.abc import Mapping
from types import MappingProxyType

from infra.translations import gettext_noop

SIGNUP_TEMPLATES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "signup_code": (
            gettext_noop("Your sign-up code"),
            gettext_noop(
                "Hello,\n\nYour code to sign up is:\n\n{code}\n\nIt is valid for 15 minutes. Enter "
                "it on the page on which you signed up. If you have a login already, your password "
                "stays as it is.\n\nIf you did not sign up, ignore this message: without the code "
                "no account is opened.\n"
            ),
        ),
        "signup_company": (
            gettext_noop("Somebody signed up for {account}"),
            gettext_noop(
                "Hello,\n\n{email} has signed up with the company of {account}, which has an "
                "account already. No second account was opened.\n\nIf this is a colleague, invite "
                "the address on the team page: {link}\n\nIf you do not know the address, you do "
                "not need to do anything.\n"
            ),
        ),
        "signup_approved": (
            gettext_noop("Your account is open"),
            gettext_noop(
                "Hello,\n\nYour sign-up of {company} was reviewed and your account is open. Sign "
                "in and create an API key: {link}\n"
            ),
        ),
        "signup_grant_given": (
            gettext_noop("Your starting credit is available"),
            gettext_noop(
                "Hello,\n\nYour sign-up of {company} was reviewed. The starting credit is in your "
                "wallet: {link}\n"
            ),
        ),
        "signup_rejected": (
            gettext_noop("Your sign-up was reviewed"),
            gettext_noop(
                "Hello,\n\nYour sign-up of {company} was reviewed.\n\nResult: {note}\n\nIf "
                "you have questions, reply to the operator of this service.\n"
            ),
        ),
        "signup_grant_revoked": (
            gettext_noop("Starting credit withdrawn"),
            gettext_noop(
                "Hello,\n\nThe unused starting credit of {company} was withdrawn, because another "
                "account with the same payer has received one. Paid credit and usage so far are "
                "not affected.\n\nThe operator of this service checks whether you get it back. You "
                "need not do anything.\n"
            ),
        ),
    }
)
