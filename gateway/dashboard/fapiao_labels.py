"""Labels of fapiao: statuses, kinds, reasons and audit log actions."""

from collections.abc import Mapping
from types import MappingProxyType

from infra.translations import gettext_noop

FAPIAO_LABELS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "fapiao_status": {
            "requested": gettext_noop("Requested"),
            "issuing": gettext_noop("Being issued"),
            "issued": gettext_noop("Fapiao issued"),
            "rejected": gettext_noop("Fapiao rejected"),
        },
        "fapiao_kind": {
            "ordinary": gettext_noop("Ordinary fapiao"),
            "special": gettext_noop("Special fapiao"),
        },
        "fapiao_colour": {
            "blue": gettext_noop("Fapiao"),
            "red": gettext_noop("Red letter"),
        },
        "fapiao_reason": {
            "invoice_error": gettext_noop("Wrong title"),
            "allowance": gettext_noop("Credit note or refund"),
        },
    }
)
FAPIAO_ACTIONS: Mapping[str, str] = MappingProxyType(
    {
        "fapiao.title_added": gettext_noop("Added a buyer title"),
        "fapiao.title_default": gettext_noop("Changed the default buyer title"),
        "fapiao.title_removed": gettext_noop("Removed a buyer title"),
        "fapiao.requested": gettext_noop("Requested a fapiao"),
        "fapiao.reissue_requested": gettext_noop("Requested a fapiao with another title"),
        "fapiao.exported": gettext_noop("Exported a batch of fapiao"),
        "fapiao.issued": gettext_noop("Issued a fapiao"),
        "fapiao.rejected": gettext_noop("Rejected a fapiao"),
        "fapiao.file_stored": gettext_noop("Stored a fapiao file"),
        "fapiao.category_changed": gettext_noop("Changed a tax code"),
    }
)
# Its name in billing/reconciliation/invoices_and_ledger.py.
FAPIAO_CHECK = gettext_noop("Fapiao do not exceed what was paid and not returned")
