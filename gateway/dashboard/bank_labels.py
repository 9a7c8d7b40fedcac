"""Labels of bank lines: statuses, flags and audit log actions."""

from collections.abc import Mapping
from types import MappingProxyType

from infra.translations import gettext_noop

BANK_LABELS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "bank_status": {
            "proposed": gettext_noop("Matched"),
            "ambiguous": gettext_noop("Several possible"),
            "unmatched": gettext_noop("No match"),
            "confirmed": gettext_noop("Confirmed payment"),
        },
        "bank_flag": {
            "partial": gettext_noop("less than due"),
            "overpaid": gettext_noop("more than due"),
            "other_payer": gettext_noop("unknown payer"),
            "no_reference": gettext_noop("no invoice number"),
            "wrong_reference": gettext_noop("other invoice number"),
            "not_open": gettext_noop("invoice not open"),
            "paid_twice": gettext_noop("perhaps paid twice"),
            "currency": gettext_noop("other currency"),
        },
    }
)
BANK_ACTIONS: Mapping[str, str] = MappingProxyType(
    {
        "bank.imported": gettext_noop("Imported a bank statement"),
        "bank.confirmed": gettext_noop("Confirmed a transfer as payment"),
        "bank.proof_uploaded": gettext_noop("Uploaded a proof of payment"),
        "bank.rejected": gettext_noop("Rejected the match of a transfer"),
    }
)
