"""Labels of credit: reasons of a limit, events, statuses, scopes, audit log actions and checks."""

from collections.abc import Mapping
from types import MappingProxyType

from infra.translations import gettext_noop

CREDIT_LABELS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "credit_event": {
            "day": gettext_noop("Daily review"),
            "payment": gettext_noop("Payment received"),
            "failure": gettext_noop("Failed payment"),
            "dunning": gettext_noop("Overdue invoice"),
            "assignment": gettext_noop("Policy assigned"),
            "override": gettext_noop("Set by the operator"),
            "override_ended": gettext_noop("Operator's limit ended"),
            "deposit": gettext_noop("Deposit changed"),
            "guarantee": gettext_noop("Guarantee added"),
            "guarantee_ended": gettext_noop("Guarantee ended"),
        },
        "credit_freeze": {
            "days_overdue": gettext_noop("An invoice is overdue."),
            "disputed": gettext_noop("An amount is disputed."),
            "chargebacks": gettext_noop("A payment was taken back."),
            "failed_payments": gettext_noop("Payments failed."),
        },
        "guarantee_status": {
            "valid": gettext_noop("Valid"),
            "expired": gettext_noop("Expired"),
            "ended": gettext_noop("Ended"),
            "refused": gettext_noop("Refused"),
        },
        "deposit_kind": {
            "received": gettext_noop("Deposit received"),
            "applied": gettext_noop("Applied to an invoice"),
            "returned": gettext_noop("Returned"),
        },
        "exposure_scope": {
            "currency": gettext_noop("All accounts"),
            "policy": gettext_noop("Credit policy"),
            "guarantor": gettext_noop("Guarantor"),
        },
    }
)
CREDIT_ACTIONS: Mapping[str, str] = MappingProxyType(
    {
        "credit.policy_published": gettext_noop("Published a credit policy"),
        "credit.policy_assigned": gettext_noop("Assigned a credit policy"),
        "credit.overridden": gettext_noop("Overrode the credit limit"),
        "credit.override_ended": gettext_noop("Ended an override of the credit limit"),
        "credit.deposit_received": gettext_noop("Recorded a deposit"),
        "credit.deposit_applied": gettext_noop("Applied a deposit to an invoice"),
        "credit.deposit_returned": gettext_noop("Returned a deposit"),
        "credit.guarantee_added": gettext_noop("Recorded a guarantee"),
        "credit.guarantee_ended": gettext_noop("Ended a guarantee"),
        "credit.exposure_limit_changed": gettext_noop("Changed an exposure limit"),
        "credit.dunning_changed": gettext_noop("Changed the dunning days"),
        "payment.charged_back": gettext_noop("Recorded a chargeback"),
    }
)
# Their names in billing/reconciliation/credit.py.
CREDIT_CHECKS = (
    gettext_noop("No deposit is negative"),
    gettext_noop("Each deposit movement is booked once"),
    gettext_noop("Instalments add up to their invoice"),
    gettext_noop("Each late fee is invoiced once"),
    gettext_noop("Credit decisions follow from their inputs"),
)
CREDIT_ERRORS: Mapping[str, str] = MappingProxyType(
    {
        "credit_policy_applies": gettext_noop(
            "A credit policy decides this limit. Override it on the page Credit."
        ),
        "credit_policy_missing": gettext_noop(
            "This account has no credit policy. Change its fixed limit on its page."
        ),
        "credit_policy_not_found": gettext_noop(
            "There is no such credit policy in the account's currency."
        ),
        "credit_override_invalid.limit": gettext_noop(
            "Enter an amount such as 12.50, without a currency."
        ),
        "credit_override_invalid.until": gettext_noop("Enter a date."),
        "credit_override_invalid.expires_at": gettext_noop("Enter a day that has not passed."),
        "credit_override_invalid": gettext_noop("This value is not valid or too large."),
        "exposure_limit_invalid.exposure_limit": gettext_noop(
            "Enter an amount such as 12.50, without a currency."
        ),
        "exposure_limit_invalid.subject": gettext_noop(
            "Enter the name of the policy or guarantor. Leave it empty for all accounts."
        ),
        "exposure_limit_invalid.currency": gettext_noop("Enter a code such as CNY."),
        "exposure_limit_invalid": gettext_noop("This value is not valid or too large."),
        "deposit_invalid.kind": gettext_noop("Choose what happened to the deposit."),
        "deposit_invalid.reference": gettext_noop("Enter a reference."),
        "deposit_invalid": gettext_noop("Enter an amount such as 12.50, without a currency."),
        "deposit_differs": gettext_noop(
            "This reference was used with another amount or invoice. Check that movement."
        ),
        "deposit_too_small": gettext_noop(
            "The amount is above the deposit, or above what the invoice still owes."
        ),
        "guarantee_invalid.guarantee_guarantor": gettext_noop("Enter the name of the guarantor."),
        "guarantee_invalid.guarantee_amount": gettext_noop(
            "Enter an amount such as 12.50, without a currency."
        ),
        "guarantee_invalid.guarantee_valid_until": gettext_noop("Enter a day that has not passed."),
        "guarantee_invalid.guarantee_reference": gettext_noop(
            "Enter a reference that no other guarantee has."
        ),
        "invoice_state_wrong": gettext_noop("The invoice's status does not allow this."),
        "account_not_found": gettext_noop("No account has this name or ID."),
    }
)
