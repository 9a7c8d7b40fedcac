"""Labels of guards: kinds of rules, actions, directions and categories of personal data."""

from collections.abc import Mapping
from types import MappingProxyType

from infra.translations import gettext_noop

GUARD_LABELS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "guard_kind": {
            "words": gettext_noop("Words"),
            "personal_data": gettext_noop("Personal data"),
            "model": gettext_noop("Verdict of a guard model"),
        },
        "guard_action": {
            "refuse": gettext_noop("Refuse the text"),
            "mask": gettext_noop("Mask the match"),
        },
        "guard_failure": {
            "refuse": gettext_noop("Refuse the text"),
            "allow": gettext_noop("Let the text pass"),
        },
        "guard_direction": {
            "input": gettext_noop("Requests"),
            "output": gettext_noop("Answers"),
            "both": gettext_noop("Requests and answers"),
        },
        "guard_category": {
            "resident_id": gettext_noop("Resident identity numbers"),
            "phone": gettext_noop("Phone numbers"),
            "bank_card": gettext_noop("Bank card numbers"),
            "email": gettext_noop("E-mail addresses"),
        },
    }
)
