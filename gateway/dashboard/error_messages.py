"""Form error messages by error code, and the reasons why a test delivery failed.

The texts are English and marked for extraction to the translation catalogs.
"""

from collections.abc import Mapping
from types import MappingProxyType

from gateway.dashboard.labels import gettext_noop

# Reasons for a failed test delivery, with the texts of infra/outbound/webhook_post.py.
DELIVERY_ERRORS = (
    gettext_noop("The host name resolves only to private or reserved addresses."),
    gettext_noop("The receiver did not respond in time."),
    gettext_noop("The host name cannot be resolved by DNS."),
    gettext_noop("The connection was refused or closed."),
    gettext_noop("The TLS connection failed: check the receiver's certificate."),
    gettext_noop("The receiver's response is not valid HTTP."),
)

# Warnings for a new webhook, with the texts of billing/notifications/webhook_addresses.py.
WEBHOOK_WARNINGS = (
    gettext_noop(
        "DNS did not answer, so the host name was not checked. Send a test event to check the "
        "webhook."
    ),
)

# Messages by error code, or by `code.reason` if one code has several reasons. Errors that are not
# listed here show their own message.
ERROR_MESSAGES: Mapping[str, str] = MappingProxyType(
    {
        "credentials_wrong": gettext_noop("The e-mail address or the password is wrong."),
        "locked_out": gettext_noop("Too many attempts. Wait a little, then try again."),
        "sign_in_busy": gettext_noop("Very many people sign in just now. Try again in a moment."),
        "code_wrong": gettext_noop(
            "This code is wrong, or was used already. Wait for the next one."
        ),
        "password_unfit.short": gettext_noop("A password has at least 10 characters."),
        "password_unfit.long": gettext_noop("This password is too long."),
        "password_unfit.email": gettext_noop("The e-mail address is no password."),
        "password_unfit.common": gettext_noop("Others guess this password soon. Take some words."),
        "email_invalid": gettext_noop("This is not an e-mail address that mail can go to."),
        "person_invalid": gettext_noop("A name is 1 to 100 printable characters."),
        "person_known": gettext_noop("This address has a password already. Sign in to join."),
        "key_name_invalid": gettext_noop("A name is 1 to 100 printable characters."),
        "key_not_active": gettext_noop("This key was rotated already, or works no more."),
        "limit_unreadable.amount": gettext_noop(
            "Write an amount as 500 or 12.50, without a currency."
        ),
        "limit_unreadable.count": gettext_noop("Write a whole number, or nothing for no limit."),
        "networks_unreadable": gettext_noop(
            "Write addresses as 203.0.113.7 or 203.0.113.0/24, 50 at most."
        ),
        "limit_invalid": gettext_noop("This limit is larger than any can be."),
        "already_member": gettext_noop("This person belongs to the team. Change the role instead."),
        "already_invited": gettext_noop("This address is invited already. Send it again below."),
        "too_many_invitations": gettext_noop(
            "There are very many open invitations. Withdraw some."
        ),
        "role_invalid": gettext_noop("Choose one of the roles."),
        "last_owner": gettext_noop("An account has an owner always. Make somebody else one first."),
        "alert_target_invalid.url": gettext_noop(
            "Write a webhook URL of at most 2,000 characters."
        ),
        "alert_target_invalid.scheme": gettext_noop(
            "A webhook URL begins with https:// or http://."
        ),
        "alert_target_invalid.credentials": gettext_noop(
            "Remove the user name and password from the URL. Each delivery is signed instead."
        ),
        "alert_target_invalid.port": gettext_noop("The host or port of this URL is not valid."),
        "alert_target_invalid.private": gettext_noop(
            "This is a private or reserved address, which cannot be reached from here."
        ),
        "alert_target_invalid.name": gettext_noop(
            "This host name cannot be resolved on the public internet."
        ),
        "alert_target_invalid.not_found": gettext_noop(
            "This host name does not exist or has no address. Check the spelling."
        ),
        "alert_target_invalid.private_name": gettext_noop(
            "This host name resolves only to private or reserved addresses, which cannot be "
            "reached from here."
        ),
        "alert_test_too_soon": gettext_noop(
            "A test was sent a moment ago. Try again in 10 seconds."
        ),
        "alert_target_invalid.percentages": gettext_noop(
            "Write 1 to 20 whole percentages, as 50, 80, 100."
        ),
        "billing_profile_invalid.email": gettext_noop(
            "This is not an e-mail address that mail can go to."
        ),
        "nobody_to_tell": gettext_noop("Write an e-mail address or a webhook first, and save it."),
        "password_wrong": gettext_noop("This is not your password."),
        "outcome_dispute_invalid": gettext_noop("Say in 1 to 4,000 characters what is wrong."),
        "outcome_dispute_state_wrong": gettext_noop(
            "This cannot be done any more: it is the other side's turn, or the time is over."
        ),
        "line_dispute_invalid": gettext_noop("Say in 1 to 4,000 characters what is wrong."),
        "line_dispute_state_wrong": gettext_noop(
            "It was disputed already, or the time for it is over."
        ),
        "outcome_version_differs": gettext_noop("The text has changed since. Read it again."),
        "outcome_version_closed": gettext_noop("This version was ended or replaced meanwhile."),
        "outcome_starts_too_soon": gettext_noop(
            "Its start is over. Propose one that starts later."
        ),
        "baseline_misses_gates": gettext_noop("Its baseline is missing, or not good enough yet."),
        "reason_missing": gettext_noop(
            "Say why in 3 to 300 characters: it is kept in the audit log."
        ),
        "amount_unreadable": gettext_noop("Write an amount as 12.50, without a currency."),
        "credit_invalid": gettext_noop(
            "Credit more than 0, and no more than what is left of the invoice."
        ),
        "invitation_for_another": gettext_noop(
            "This invitation is for another address. Sign out first."
        ),
    }
)
