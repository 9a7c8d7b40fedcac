"""Finds every text that the dashboard says, in templates and in Python."""

from pathlib import Path

from babel.messages.extract import extract_from_dir

import gateway.dashboard

_ROOT = Path(gateway.dashboard.__file__).parent
_METHODS = [("**.py", "python"), ("**/templates/**.html", "jinja2")]
_KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2), "marked": None, "say": None}
_OPTIONS = {"**/templates/**.html": {"trim_blocks": "true", "lstrip_blocks": "true"}}


def said() -> dict[str, str | None]:
    """The English of each text, with that of its plural where it has one."""
    found: dict[str, str | None] = {}
    texts = extract_from_dir(_ROOT, _METHODS, _OPTIONS, keywords=_KEYWORDS)
    for _, _, message, _, _ in texts:
        one, many = message if isinstance(message, tuple) else (message, None)
        if one:
            found[one] = many
    return found
