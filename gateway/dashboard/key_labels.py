"""Labels of API keys: states and audit log actions."""

from collections.abc import Mapping
from types import MappingProxyType

from infra.translations import gettext_noop

KEY_STATES: Mapping[str, str] = MappingProxyType(
    {
        "active": gettext_noop("Active"),
        "ending": gettext_noop("Being rotated"),
        "expired": gettext_noop("Expired"),
        "revoked": gettext_noop("Revoked"),
    }
)
KEY_PERMISSIONS: Mapping[str, str] = MappingProxyType(
    {
        "calls": gettext_noop("Model calls and account"),
        "plant:read": gettext_noop("Read plant and readings"),
        "plant:write": gettext_noop("Change plant"),
        "readings:write": gettext_noop("Write readings"),
        "identifiers": gettext_noop("Identifiers"),
        "epcis": gettext_noop("Item history (EPCIS)"),
        "agents": gettext_noop("Manage agents"),
        "commands": gettext_noop("Carry out commands (connector)"),
    }
)
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
