"""Labels of batches and of service tiers.

The texts are English and marked for extraction to the translation catalogs.
"""

from collections.abc import Mapping
from types import MappingProxyType

from infra.translations import gettext_noop

BATCH_LABELS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "batch": {
            "validating": gettext_noop("Checking the file"),
            "failed": gettext_noop("Failed"),
            "in_progress": gettext_noop("In progress"),
            "finalizing": gettext_noop("Writing the files"),
            "completed": gettext_noop("Completed"),
            "expired": gettext_noop("Expired"),
            "cancelling": gettext_noop("Being canceled"),
            "cancelled": gettext_noop("Canceled"),
        },
        "tier": {
            "default": gettext_noop("default"),
            "priority": gettext_noop("priority"),
            "flex": gettext_noop("flex"),
            "batch": gettext_noop("batch"),
        },
    }
)
