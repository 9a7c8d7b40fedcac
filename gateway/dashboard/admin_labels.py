"""Labels of operators' changes in the audit log, by page, command or Admin API."""

from collections.abc import Mapping
from types import MappingProxyType

from gateway.dashboard.incident_labels import INCIDENT_ACTIONS
from infra.translations import gettext_noop

ADMIN_ACTIONS: Mapping[str, str] = MappingProxyType(
    {
        "account.created": gettext_noop("Created the account"),
        "account.profile_changed": gettext_noop("Changed billing settings"),
        "account.limits_changed": gettext_noop("Changed limits"),
        "account.suspended": gettext_noop("Suspended the account"),
        "account.restored": gettext_noop("Restored the account"),
        "admin_key.created": gettext_noop("Created an admin key"),
        "admin_key.revoked": gettext_noop("Revoked an admin key"),
        "credit_limit.changed": gettext_noop("Changed the credit limit"),
        "dispute.line_answered": gettext_noop("Answered a disputed line"),
        "dispute.answered": gettext_noop("Answered a dispute"),
        "dispute.decided": gettext_noop("Decided a dispute"),
        "dispute.conceded": gettext_noop("Conceded a dispute"),
        "entity.added": gettext_noop("Added a legal entity"),
        "entity.changed": gettext_noop("Changed a legal entity"),
        **INCIDENT_ACTIONS,
        "invoice.credited": gettext_noop("Issued a credit note"),
        "invoice.paid": gettext_noop("Recorded a payment"),
        "invoice.voided": gettext_noop("Voided an invoice"),
        "invoice.written_off": gettext_noop("Wrote off an invoice"),
        "outbox.retried": gettext_noop("Retried a delivery"),
        "plan.published": gettext_noop("Published a plan"),
        "price_change.announced": gettext_noop("Announced a price change"),
        "price_change.withdrawn": gettext_noop("Withdrew a price change"),
        "records.reconciled": gettext_noop("Reconciled the records"),
        "wallet.topped_up": gettext_noop("Topped up the wallet"),
    }
)
ADMIN_AREAS: Mapping[str, str] = MappingProxyType(
    {
        "account": gettext_noop("Account settings"),
        "admin_key": gettext_noop("Admin keys"),
        "credit_limit": gettext_noop("Credit limit"),
        "entity": gettext_noop("Legal entities"),
        "incident": gettext_noop("Incidents"),
        "invoice": gettext_noop("Invoices and credit notes"),
        "price_change": gettext_noop("Price changes"),
        "wallet": gettext_noop("Wallet top-ups"),
    }
)
ADMIN_DETAILS: Mapping[str, str] = MappingProxyType(
    {
        "currency": gettext_noop("Account currency"),
        "file": gettext_noop("File"),
        "impact": gettext_noop("Impact"),
        "paid": gettext_noop("Paid for"),
        "reference": gettext_noop("Payment reference"),
        "refund": gettext_noop("Refunded"),
        "request": gettext_noop("Request ID"),
        "scopes": gettext_noop("Scopes"),
        "status": gettext_noop("Status"),
        "title": gettext_noop("Title"),
    }
)
PRICE_CHANGE_ERRORS: Mapping[str, str] = MappingProxyType(
    {
        "price_change_invalid.effective": gettext_noop("Choose a day at least 30 days from now."),
        "price_change_invalid": gettext_noop(
            "No account is on an earlier version, or a price change of this plan is open. Withdraw "
            "it first."
        ),
    }
)
ADMIN_LABELS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "pending": {
            "line_dispute": gettext_noop("Disputed invoice lines to answer"),
            "outcome_dispute": gettext_noop("Outcome disputes to answer"),
            "bank_line": gettext_noop("Bank transfers to confirm"),
            "payment_proof": gettext_noop("Proofs of payment to check"),
            "fapiao_overdue": gettext_noop("Fapiao not issued for 3 days"),
            "fapiao": gettext_noop("Fapiao to issue"),
            "payment_discrepancy": gettext_noop("Payments that differ from their order"),
            "overdue_invoice": gettext_noop("Overdue invoices"),
            "failed_delivery": gettext_noop("Failed deliveries"),
            "difference": gettext_noop("Differences of the last reconciliation"),
        }
    }
)
