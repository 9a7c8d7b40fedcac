"""Labels of operators' changes in the audit log, by page, command or Admin API."""

from collections.abc import Mapping
from types import MappingProxyType

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
        "invoice.credited": gettext_noop("Issued a credit note"),
        "invoice.paid": gettext_noop("Recorded a payment"),
        "invoice.voided": gettext_noop("Voided an invoice"),
        "invoice.written_off": gettext_noop("Wrote off an invoice"),
        "outbox.retried": gettext_noop("Retried a delivery"),
        "plan.published": gettext_noop("Published a plan"),
        "wallet.topped_up": gettext_noop("Topped up the wallet"),
    }
)
ADMIN_AREAS: Mapping[str, str] = MappingProxyType(
    {
        "account": gettext_noop("Account settings"),
        "admin_key": gettext_noop("Admin keys"),
        "credit_limit": gettext_noop("Credit limit"),
        "entity": gettext_noop("Legal entities"),
        "invoice": gettext_noop("Invoices and credit notes"),
        "wallet": gettext_noop("Wallet top-ups"),
    }
)
ADMIN_DETAILS: Mapping[str, str] = MappingProxyType(
    {
        "currency": gettext_noop("Account currency"),
        "paid": gettext_noop("Paid for"),
        "reference": gettext_noop("Payment reference"),
        "refund": gettext_noop("Refunded"),
        "request": gettext_noop("Request ID"),
        "scopes": gettext_noop("Scopes"),
    }
)
