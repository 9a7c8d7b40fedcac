"""The fields of catalog entries and the values that they allow."""

import re
from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import Any

from models.catalog.entries import GuardFormat, Task, Weights
from models.catalog.problems import ProblemList, advice
from models.catalog.profiles import PROFILES
from models.catalog.upstreams import DOCUMENTS, HANDBOOK, MAX_PRIORITY, OWN_SERVERS
from models.reasoning import parse_budgets

_MODEL_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_UPSTREAM_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_RESERVED_NAMES = (OWN_SERVERS, HANDBOOK, DOCUMENTS)
_MAX_TEXT = 500

Check = Callable[[Any], str | None]
"""Returns what a field must be if its value is wrong, else None."""


def _text(value: Any) -> str | None:
    """Check a short text."""
    is_valid = isinstance(value, str) and 0 < len(value.strip()) <= _MAX_TEXT
    return None if is_valid else f"must be a text of 1 to {_MAX_TEXT} characters"


def _one_of(allowed: Collection[str]) -> Check:
    """Return the check of a text that is one of several."""

    def check(value: Any) -> str | None:
        """Check the value."""
        if isinstance(value, str) and value in allowed:
            return None
        shown = repr(value)[:60]
        return f"has the value {shown}. {advice(str(value), allowed)}"

    return check


def _matching(pattern: re.Pattern[str], form: str) -> Check:
    """Return the check of a text with a pattern, described by `form`."""

    def check(value: Any) -> str | None:
        """Check the value."""
        is_valid = isinstance(value, str) and pattern.fullmatch(value) is not None
        return None if is_valid else f"must be {form}"

    return check


def _upstream_name(value: Any) -> str | None:
    """Check the name of an upstream, which usage rows have for the upstream that answered."""
    is_valid = isinstance(value, str) and _UPSTREAM_NAME.fullmatch(value) is not None
    if is_valid and value not in _RESERVED_NAMES:
        return None
    reserved = " or ".join(f"`{name}`" for name in _RESERVED_NAMES)
    return f"must be lower-case letters, digits and hyphens, at most 40, and not {reserved}"


def _whole_number(lowest: int, highest: int) -> Check:
    """Return the check of a whole number."""

    def check(value: Any) -> str | None:
        """Check the value; TOML's booleans are whole numbers in Python."""
        is_number = isinstance(value, int) and not isinstance(value, bool)
        if is_number and lowest <= value <= highest:
            return None
        return f"must be a whole number from {lowest} to {highest}"

    return check


def _texts(value: Any) -> str | None:
    """Check a list of texts."""
    is_valid = isinstance(value, list) and all(isinstance(item, str) for item in value)
    return None if is_valid else "must be a list of texts"


def _profiles(value: Any) -> str | None:
    """Check the profiles of a model."""
    is_valid = isinstance(value, list) and all(item in list(PROFILES) for item in value)
    return None if is_valid else f"must be a list of {', '.join(PROFILES)}"


def _boolean(value: Any) -> str | None:
    """Check `true` or `false`."""
    return None if isinstance(value, bool) else "must be true or false"


def _table(value: Any) -> str | None:
    """Check a table."""
    return None if isinstance(value, dict) else "must be a table"


def _text_table(value: Any) -> str | None:
    """Check a table of texts."""
    is_valid = isinstance(value, dict) and all(isinstance(item, str) for item in value.values())
    return None if is_valid else "must be a table of texts"


def _any(_value: Any) -> str | None:
    """Accept every value; what it must be is checked where it is used."""
    return None


def _any_text(value: Any) -> str | None:
    """Check a text, which may be empty or long."""
    return None if isinstance(value, str) else "must be a text"


def _reasoning(value: Any) -> str | None:
    """Check the token budgets of a model that can reason."""
    try:
        parse_budgets(value)
    except ValueError as error:
        return str(error)
    return None


_TABLE_FIELDS: Mapping[str, Mapping[str, Check]] = MappingProxyType(
    {
        "weights": dict.fromkeys(Weights.__dataclass_fields__, _any_text),
        "route": {"task": _text, "inputs": _texts, "optional": _texts},
        "retrieval": {"query": _any_text, "passage": _any_text},
        "assistant": {"max_passages": _whole_number(1, 10), "quotes": _boolean},
        "file_search": {
            "max_passages": _whole_number(1, 20),
            "max_statements": _whole_number(1, 100),
            "reads_lines": _boolean,
            "checks_lines": _boolean,
        },
    }
)
MODEL_FIELDS: Mapping[str, Check] = MappingProxyType(
    {
        "id": _matching(_MODEL_ID, "letters, digits, dots, hyphens and underscores, at most 100"),
        "task": _one_of([task.value for task in Task]),
        "profiles": _profiles,
        "description": _text,
        "licence": _text,
        "weights": _table,
        "meters": _table,
        "cost": _table,
        "context_length": _whole_number(1, 1 << 24),
        "concurrency": _whole_number(1, 10**6),
        "base": _text,
        "adapter": _text,
        "route": _table,
        "latency_ms": _whole_number(0, 3_600_000),
        "batch_percent": _whole_number(1, 100),
        "guard_format": _one_of([form.value for form in GuardFormat]),
        "fallbacks": _texts,
        "retrieval": _table,
        "reasoning": _reasoning,
        "assistant": _table,
        "file_search": _table,
        "engine": _table,
    }
)
SERVICE_FIELDS: Mapping[str, Check] = MappingProxyType(
    {"id": MODEL_FIELDS["id"], "description": _text, "meters": _table}
)
UPSTREAM_FIELDS: Mapping[str, Check] = MappingProxyType(
    {
        "name": _upstream_name,
        "url": _text,
        "api_key_secret": _text,
        "headers": _text_table,
        "models": _text_table,
        "cost": _table,
        "priority": _whole_number(0, MAX_PRIORITY),
        "concurrency": _whole_number(1, 10**6),
    }
)
# Fields that an operator's entry removes from a built-in model with `false`.
REMOVABLE_FIELDS = frozenset(
    {
        "context_length",
        "concurrency",
        "adapter",
        "route",
        "latency_ms",
        "batch_percent",
        "retrieval",
        "reasoning",
        "assistant",
        "cost",
    }
)


def check_fields(
    table: Mapping[str, Any],
    fields: Mapping[str, Check],
    file: str,
    entry: str,
    problems: ProblemList,
) -> dict[str, Any]:
    """Return the valid fields of an entry; report unknown fields and wrong values."""
    valid: dict[str, Any] = {}
    for name, value in table.items():
        if name not in fields:
            problems.add(file, f"is an unknown field. {advice(name, fields)}", entry, name)
        elif value is False and name in REMOVABLE_FIELDS and fields is MODEL_FIELDS:
            valid[name] = value
        elif (wrong := fields[name](value)) is not None:
            problems.add(file, f"{wrong.rstrip('.')}.", entry, name)
        elif _has_valid_parts(name, value, file, entry, problems):
            valid[name] = value
    return valid


def _has_valid_parts(name: str, value: Any, file: str, entry: str, problems: ProblemList) -> bool:
    """Return whether all fields of a table are known and valid; report the others."""
    fields, count = _TABLE_FIELDS.get(name), len(problems.problems)
    if fields is None:
        return True
    for part, content in value.items():
        place = f"{name}.{part}"
        if part not in fields:
            problems.add(file, f"is an unknown field. {advice(part, fields)}", entry, place)
        elif (wrong := fields[part](content)) is not None:
            problems.add(file, f"{wrong}.", entry, place)
    return len(problems.problems) == count
