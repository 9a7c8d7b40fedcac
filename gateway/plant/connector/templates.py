"""Tags made from the parts of a topic or metric: `{device}.temp` with `device` as `press`."""

import re
from collections.abc import Collection, Mapping

from gateway.plant.connector.errors import ConnectorConfigInvalid

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


def fill_template(template: str, parts: Mapping[str, str]) -> str:
    """Return the text with its placeholders replaced; unknown ones become empty."""
    if "{" not in template:
        return template
    return _PLACEHOLDER.sub(lambda match: parts.get(match[1], ""), template)


def check_template(template: str, names: Collection[str]) -> None:
    """Raise ConnectorConfigInvalid if a template has other placeholders than these."""
    wrong = [name for name in _PLACEHOLDER.findall(template) if name not in names]
    if wrong or _PLACEHOLDER.sub("", template).count("{"):
        known = ", ".join(f"{{{name}}}" for name in sorted(names))
        raise ConnectorConfigInvalid(f"The tag {template!r} may contain only {known}.")
