"""Form error messages by error code, and the reasons why a test delivery failed.

The texts are English and marked for extraction to the translation catalogs.
"""

from collections.abc import Mapping
from types import MappingProxyType

from gateway.dashboard.admin_labels import PRICE_CHANGE_ERRORS
from gateway.dashboard.agent_command_labels import AGENT_COMMAND_ERRORS
from gateway.dashboard.agent_labels import AGENT_ERRORS
from gateway.dashboard.agent_learning_labels import AGENT_LEARNING_ERRORS
from gateway.dashboard.board_labels import BOARD_ERRORS
from gateway.dashboard.credit_labels import CREDIT_ERRORS
from gateway.dashboard.identifier_labels import IDENTIFIER_ERRORS
from gateway.dashboard.incident_labels import INCIDENT_ERRORS
from gateway.dashboard.notification_labels import NOTIFICATION_ERRORS
from gateway.dashboard.plant_labels import PLANT_ERRORS
from gateway.dashboard.prediction_labels import PREDICTION_ERRORS
from gateway.dashboard.prepaid_labels import PREPAID_MESSAGES
from gateway.dashboard.project_labels import PROJECT_ERRORS
from gateway.dashboard.schedule_labels import SCHEDULE_ERRORS
from gateway.dashboard.warning_labels import WARNING_ERRORS
from infra.translations import gettext_noop

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
        **PROJECT_ERRORS,
        **PLANT_ERRORS,
        **AGENT_ERRORS,
        **BOARD_ERRORS,
        **AGENT_LEARNING_ERRORS,
        **AGENT_COMMAND_ERRORS,
        **SCHEDULE_ERRORS,
        **WARNING_ERRORS,
        "credentials_wrong": gettext_noop("Incorrect e-mail address or password."),
        "login_provider_not_found": gettext_noop("This way of signing in is not available."),
        "login_provider_unavailable": gettext_noop(
            "The identity provider does not answer. Try again, or sign in with your password."
        ),
        "login_not_verified": gettext_noop(
            "The sign-in was cancelled, took too long, or was not confirmed. Sign in again."
        ),
        "identity_unknown": gettext_noop(
            "Nobody here is linked to this identity. Sign in with your password, then link it in "
            "your personal settings."
        ),
        "locked_out": gettext_noop("Too many attempts. Wait a moment and try again."),
        "sign_in_busy": gettext_noop("Sign-in is busy. Try again in a moment."),
        "code_wrong": gettext_noop(
            "This code is incorrect or was already used. Enter the next code."
        ),
        "password_unfit.short": gettext_noop("Use at least 10 characters."),
        "password_unfit.long": gettext_noop("This password is too long."),
        "password_unfit.email": gettext_noop("The password must not be your e-mail address."),
        "password_unfit.common": gettext_noop(
            "This password is easy to guess. Use a phrase of several words."
        ),
        "email_invalid": gettext_noop("Enter a valid e-mail address."),
        "person_invalid": gettext_noop("Enter a name of 1 to 100 printable characters."),
        "company_invalid.company_name": gettext_noop(
            "Enter the company's full name with 2 to 100 characters, beginning with a letter or "
            "digit."
        ),
        "company_invalid.credit_code": gettext_noop(
            "This credit code is not valid: check its 18 characters and the last one, which is a "
            "check digit."
        ),
        "email_not_accepted": gettext_noop(
            "Use your work e-mail address. Disposable addresses are not accepted."
        ),
        "sign_ups_busy": gettext_noop(
            "There are too many sign-ups at the moment. Try again in an hour."
        ),
        "sign_up_texts_outdated": gettext_noop(
            "Accept the terms of use and the privacy policy. If they have changed since the page "
            "was opened, read the new version first."
        ),
        "sign_up_code_wrong": gettext_noop("The code is not correct. Check the latest e-mail."),
        "sign_up_code_expired": gettext_noop(
            "The code has expired or was tried too often. Send another code."
        ),
        "sign_up_too_many_codes": gettext_noop(
            "No more codes are sent for this sign-up. Start over."
        ),
        "sign_up_not_in_review": gettext_noop("This sign-up does not wait for a review."),
        "credit_code_taken": gettext_noop(
            "Another account has this credit code. Release its company first."
        ),
        "person_known": gettext_noop("This address already has a password. Sign in to join."),
        "key_name_invalid": gettext_noop("Enter a name of 1 to 100 printable characters."),
        "account_name_taken": gettext_noop("Another account has this name."),
        "account_name_invalid": gettext_noop("Enter a name of 1 to 200 printable characters."),
        "admin_scope_invalid": gettext_noop("Choose at least one scope."),
        "key_not_active": gettext_noop("This key was already rotated or is no longer active."),
        "limit_unreadable.amount": gettext_noop(
            "Enter an amount such as 500 or 12.50, without a currency."
        ),
        "limit_unreadable.count": gettext_noop(
            "Enter a whole number, or leave empty for no limit."
        ),
        "networks_unreadable": gettext_noop(
            "Enter at most 50 addresses or networks, such as 203.0.113.7 or 203.0.113.0/24."
        ),
        "limit_invalid": gettext_noop("This limit is too large. Enter a smaller number."),
        "already_member": gettext_noop("This person is already a member. Change the role instead."),
        "already_invited": gettext_noop(
            "This address is already invited. Resend the invitation below."
        ),
        "too_many_invitations": gettext_noop("Too many open invitations. Withdraw some first."),
        "role_invalid": gettext_noop("Select a role."),
        "last_owner": gettext_noop(
            "An account must have an owner. Make another member an owner first."
        ),
        "alert_target_invalid.url": gettext_noop(
            "Enter a webhook URL of at most 2,000 characters."
        ),
        "alert_target_invalid.scheme": gettext_noop(
            "A webhook URL must start with https:// or http://."
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
        "alert_test_too_soon": gettext_noop("A test was just sent. Try again in ten seconds."),
        "alert_target_invalid.percentages": gettext_noop(
            "Enter 1 to 20 whole percentages, such as 50, 80, 100."
        ),
        "billing_profile_invalid.email": gettext_noop("Enter a valid e-mail address."),
        "nobody_to_tell": gettext_noop("Save an e-mail address or webhook first."),
        "password_wrong": gettext_noop("Incorrect password."),
        "outcome_dispute_invalid": gettext_noop("Describe the problem in 1 to 4,000 characters."),
        "outcome_dispute_state_wrong": gettext_noop(
            "No longer possible: it is the other party's turn, or the deadline has passed."
        ),
        "line_dispute_invalid": gettext_noop("Describe the problem in 1 to 4,000 characters."),
        "line_dispute_state_wrong": gettext_noop(
            "This line was already disputed, or the dispute period has ended."
        ),
        "outcome_version_differs": gettext_noop("The contract text has changed. Read it again."),
        "outcome_version_closed": gettext_noop("This version has since been ended or replaced."),
        "outcome_starts_too_soon": gettext_noop(
            "The start date has passed. Propose a version that starts later."
        ),
        "baseline_misses_gates": gettext_noop(
            "The baseline is missing or does not meet the agreed quality."
        ),
        "top_up_invalid": gettext_noop("Enter an amount within the limits, such as 100.00."),
        **PREPAID_MESSAGES,
        "too_many_payment_orders": gettext_noop(
            "Too many payments are waiting. Pay or cancel one of them first."
        ),
        "payment_method_unavailable": gettext_noop("Select a payment method."),
        "payment_provider_unavailable": gettext_noop(
            "The payment provider does not respond. Try again in a moment."
        ),
        "reason_missing": gettext_noop(
            "Enter a reason of 3 to 300 characters. It is recorded in the audit log."
        ),
        "amount_unreadable": gettext_noop("Enter an amount such as 12.50, without a currency."),
        "credit_invalid": gettext_noop(
            "Enter an amount greater than 0 and at most the amount that can still be credited."
        ),
        "invalid_value.max_tokens": gettext_noop("Enter a whole number from 1 to 32,768."),
        "invalid_value.max_cost": gettext_noop(
            "Enter an amount such as 12.50, without a currency."
        ),
        "invalid_value.budget": gettext_noop("Enter an amount such as 12.50, without a currency."),
        "invalid_value.against": gettext_noop("Select another model to compare with."),
        "max_cost_exceeded.comparison": gettext_noop("This does not cover all rows. Raise it."),
        "max_cost_exceeded.max_cost": gettext_noop(
            "This does not cover a single question. Raise it, or lower the output tokens."
        ),
        "file_not_found.file": gettext_noop("Select a file, or upload one."),
        "too_many_evaluation_runs": gettext_noop(
            "Too many evaluations are running or stored. Wait until one has ended, or delete some."
        ),
        "fapiao_title_invalid.name": gettext_noop("Enter a name of at most 100 characters."),
        "fapiao_title_invalid.tax_number": gettext_noop(
            "Enter a valid tax number; a special fapiao needs one. The last character is a check "
            "digit."
        ),
        "fapiao_title_invalid.email": gettext_noop("Enter a valid e-mail address."),
        "fapiao_title_invalid": gettext_noop("This value is not valid or too long."),
        "fapiao_title_not_found": gettext_noop("Select a buyer title."),
        "fapiao_not_possible": gettext_noop(
            "No fapiao is possible: nothing was paid on this invoice, or its currency or tax does "
            "not allow one."
        ),
        "fapiao_already_requested": gettext_noop(
            "All that was paid on this invoice is on a fapiao or requested already."
        ),
        "fapiao_state_wrong": gettext_noop("No longer possible in the fapiao's present status."),
        "fapiao_file_invalid": gettext_noop("The file is too large or has another format."),
        "fapiao_not_found": gettext_noop("No fapiao has this number."),
        "fapiao_nothing_to_issue": gettext_noop(
            "No fapiao is waiting, or several sellers have requests: enter the code of one."
        ),
        "bank_statement_invalid": gettext_noop(
            "This file is not a statement that can be read: use CSV or camt.053."
        ),
        "payment_proof_invalid": gettext_noop("Upload a PDF, PNG or JPEG file of at most 5 MiB."),
        "invoice_not_found": gettext_noop("No invoice has this number."),
        "bank_line_state_wrong": gettext_noop("No longer possible in the transfer's status."),
        "legal_entity_not_found": gettext_noop("No legal entity has this code."),
        **CREDIT_ERRORS,
        **PRICE_CHANGE_ERRORS,
        "invitation_for_another": gettext_noop(
            "This invitation is for another address. Sign out first."
        ),
        **NOTIFICATION_ERRORS,
        **INCIDENT_ERRORS,
        **IDENTIFIER_ERRORS,
        **PREDICTION_ERRORS,
    }
)
