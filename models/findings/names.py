"""Names that an answer uses: identifiers of columns, and codes of machines, parts or standards.

A language model that has run out of findings goes on with names that it makes up, as
`uptime_factor`, `P-204` or `ISO9001`. Like a figure, such a name has to come from somewhere.
"""

import re
from collections.abc import Iterable

_IDENTIFIER = r"(?<![A-Za-z0-9_])[A-Za-z][A-Za-z0-9]*(?:_[A-Za-z0-9]+)+"
# One digit is a formula or a symbol: CO2, H2O, T1.
_CODE = r"(?<![A-Za-z0-9_])[A-Z]{1,6}-?\d{2,}[A-Z]?(?![A-Za-z0-9_])"
_NAME = re.compile(f"{_IDENTIFIER}|{_CODE}")
_SEPARATOR = re.compile(r"[\s_-]+")


def foreign_names(answer: str, sources: Iterable[str]) -> list[str]:
    """Return the names of an answer that are in none of the sources.

    Case and separators do not count: `P-204` is `p 204`, and `good_quantity` is `good quantity`.
    """
    names = dict.fromkeys(_NAME.findall(answer))
    if not names:
        return []
    known = "\n".join(_plain(source) for source in sources)
    return [name for name in names if _plain(name) not in known]


def _plain(text: str) -> str:
    return _SEPARATOR.sub("", text).lower()
