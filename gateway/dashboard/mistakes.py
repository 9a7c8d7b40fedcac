"""Mistakes: what forms say about a wrong field, and why a test delivery got no answer.

English here, which the catalogues translate like any other text.
"""

from collections.abc import Mapping
from types import MappingProxyType

from gateway.dashboard.labels import marked

# Why a test event got no answer, as infra/outbound/webhook_post.py says it.
DELIVERY_ERRORS = (
    marked("The host name resolves only to private or reserved addresses."),
    marked("The receiver did not answer in time."),
    marked("The host name cannot be resolved by DNS."),
    marked("The connection was refused or broken off."),
    marked("The TLS connection failed: check the receiver's certificate."),
    marked("The receiver did not answer with valid HTTP."),
)

# What a new webhook is accepted with, as billing/notifications/webhook_addresses.py says it.
WEBHOOK_WARNINGS = (
    marked(
        "DNS did not answer, so the host name was not checked. Send a test event to check the "
        "webhook."
    ),
)

# What is wrong with a form, by the code of the fact, and after a dot why where there are several;
# what is not here is said as billing or identity say it.
MISTAKES: Mapping[str, str] = MappingProxyType(
    {
        "credentials_wrong": marked("The e-mail address or the password is wrong."),
        "locked_out": marked("Too many attempts. Wait a little, then try again."),
        "sign_in_busy": marked("Very many people sign in just now. Try again in a moment."),
        "code_wrong": marked("This code is wrong, or was used already. Wait for the next one."),
        "password_unfit.short": marked("A password has at least 10 characters."),
        "password_unfit.long": marked("This password is too long."),
        "password_unfit.email": marked("The e-mail address is no password."),
        "password_unfit.common": marked("Others guess this password soon. Take some words."),
        "email_invalid": marked("This is not an e-mail address that mail can go to."),
        "person_invalid": marked("A name is 1 to 100 printable characters."),
        "person_known": marked("This address has a password already. Sign in to join."),
        "key_name_invalid": marked("A name is 1 to 100 printable characters."),
        "key_not_active": marked("This key was rotated already, or works no more."),
        "limit_unreadable.amount": marked("Write an amount as 500 or 12.50, without a currency."),
        "limit_unreadable.count": marked("Write a whole number, or nothing for no limit."),
        "networks_unreadable": marked(
            "Write addresses as 203.0.113.7 or 203.0.113.0/24, 50 at most."
        ),
        "limit_invalid": marked("This limit is larger than any can be."),
        "already_member": marked("This person belongs to the team. Change the role instead."),
        "already_invited": marked("This address is invited already. Send it again below."),
        "too_many_invitations": marked("There are very many open invitations. Withdraw some."),
        "role_invalid": marked("Choose one of the roles."),
        "last_owner": marked("An account has an owner always. Make somebody else one first."),
        "alert_target_invalid.url": marked("Write a webhook URL of at most 2,000 characters."),
        "alert_target_invalid.scheme": marked("A webhook URL begins with https:// or http://."),
        "alert_target_invalid.credentials": marked(
            "Remove the user name and password from the URL. Each delivery is signed instead."
        ),
        "alert_target_invalid.port": marked("The host or port of this URL is not valid."),
        "alert_target_invalid.private": marked(
            "This is a private or reserved address, which cannot be reached from here."
        ),
        "alert_target_invalid.name": marked(
            "This host name cannot be resolved on the public internet."
        ),
        "alert_target_invalid.not_found": marked(
            "This host name does not exist or has no address. Check the spelling."
        ),
        "alert_target_invalid.private_name": marked(
            "This host name resolves only to private or reserved addresses, which cannot be "
            "reached from here."
        ),
        "alert_test_too_soon": marked("A test was sent a moment ago. Try again in ten seconds."),
        "alert_target_invalid.percentages": marked(
            "Write 1 to 20 whole percentages, as 50, 80, 100."
        ),
        "billing_profile_invalid.email": marked(
            "This is not an e-mail address that mail can go to."
        ),
        "nobody_to_tell": marked("Write an e-mail address or a webhook first, and save it."),
        "password_wrong": marked("This is not your password."),
        "outcome_dispute_invalid": marked("Say in 1 to 4,000 characters what is wrong."),
        "outcome_dispute_state_wrong": marked(
            "This cannot be done any more: it is the other side's turn, or the time is over."
        ),
        "line_dispute_invalid": marked("Say in 1 to 4,000 characters what is wrong."),
        "line_dispute_state_wrong": marked("It was disputed already, or the time for it is over."),
        "outcome_version_differs": marked("The text has changed since. Read it again."),
        "outcome_version_closed": marked("This version was ended or replaced meanwhile."),
        "outcome_starts_too_soon": marked("Its start is over. Propose one that starts later."),
        "baseline_misses_gates": marked("Its baseline is missing, or not good enough yet."),
        "reason_missing": marked("Say why in 3 to 300 characters: it is kept in the audit log."),
        "amount_unreadable": marked("Write an amount as 12.50, without a currency."),
        "credit_invalid": marked(
            "Credit more than 0, and no more than what is left of the invoice."
        ),
        "invitation_for_another": marked("This invitation is for another address. Sign out first."),
    }
)
