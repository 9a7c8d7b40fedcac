"""Split a name into the segments of a path: `site / ahu 3 / vav 109 / zone temp`.

A slash is also a part of names (`start/stop`) and units (`m3/h`), and a dot of flat names: both
separate only where the rest of the name says so.
"""

import re
import unicodedata
from collections.abc import Iterable

_SPACED = re.compile(r"\s+[/\\|>»→–-]\s+|\s*(?:::|»|→|>)\s*")
_SLASH = re.compile(r"[/\\|]")
# Namespaces of OPC UA, before a node id or before each name of a browse path.
_NODE_ID = re.compile(r"^(?:nsu?=[^;]+;)?[sgib]=")
_NAMESPACE = re.compile(r"^\d{1,5}:(?=\D)")
_UNITS_PER = re.compile(
    r"^(?:h|s|min|d|day|hr|hour|m2|m3|m²|m³|kg|a|y|year|kwh|km)$", re.IGNORECASE
)
_PAIRS = frozenset(
    (
        ("start", "stop"),
        ("on", "off"),
        ("heat", "cool"),
        ("lead", "lag"),
        ("open", "close"),
        ("auto", "manual"),
        ("occ", "unocc"),
    )
)
_MIN_DOTS = 2
_CHINESE = re.compile(r"[一-鿿]")


def is_node_id(text: str) -> bool:
    """Whether a name is a node id of OPC UA with a text: `ns=2;s=Line1.Motor.Temperature`."""
    return _NODE_ID.match(text) is not None


def split_segments(text: str) -> tuple[str, ...]:
    """Return the segments of a name, outermost first; one for a name that is no path."""
    visible = unicodedata.normalize("NFKC", text).strip()
    node = _NODE_ID.sub("", visible)
    if node != visible:
        return _clean(re.split(r"[./\\|]", node))
    spaced = [part for part in _SPACED.split(node) if part.strip()]
    if len(spaced) > 1:
        return _clean(part for each in spaced for part in _split_slashes(each))
    slashed = _split_slashes(node)
    return _clean(slashed if len(slashed) > 1 else _split_dots(node))


def _split_slashes(text: str) -> list[str]:
    """Split at slashes that are not part of a name or of a unit."""
    parts = [part for part in _SLASH.split(text) if part.strip()]
    if len(parts) == 2 and not text.startswith(("/", "\\")):
        left, right = parts
        separates = any(map(str.isdigit, left)) and not _UNITS_PER.match(right.strip(" ])"))
        return parts if separates else [text]
    return _join_pairs(parts)


def _join_pairs(parts: list[str]) -> list[str]:
    """Join the last two segments where they are the two sides of one point, and units."""
    if len(parts) < 2:
        return parts
    left, right = (part.strip().lower() for part in parts[-2:])
    if (left.split()[-1:] and (left.split()[-1], right) in _PAIRS) or _UNITS_PER.match(right):
        return [*parts[:-2], "/".join(parts[-2:])]
    return parts


def _split_dots(text: str) -> list[str]:
    """Split at dots where each part begins like a name of its own: `Line1.Motor.Temperature`."""
    parts = text.split(".")
    is_path = len(parts) > _MIN_DOTS and all(
        part[:1].isupper() or _CHINESE.search(part) for part in parts
    )
    return parts if is_path else [text]


def _clean(parts: Iterable[str]) -> tuple[str, ...]:
    """Return the segments without namespaces and empty ones."""
    named = (_NAMESPACE.sub("", part.strip()).strip() for part in parts)
    return tuple(part for part in named if part)
