"""Labels of the audit log actions on API keys."""

from collections.abc import Mapping
from types import MappingProxyType

from infra.translations import gettext_noop

KEY_ACTIONS: Mapping[str, str] = MappingProxyType(
    {
        "key.created": gettext_noop("Created a key"),
        "key.renamed": gettext_noop("Renamed a key"),
        "key.limits_changed": gettext_noop("Changed a key's limits"),
        "key.scope_changed": gettext_noop("Changed a key's scope"),
        "key.rotated": gettext_noop("Rotated a key"),
        "key.revoked": gettext_noop("Revoked a key"),
        "key.moved": gettext_noop("Moved a key to another project"),
    }
)
