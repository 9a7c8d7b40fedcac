"""A request as passed to an endpoint, and functions shared by endpoints.

Owns metadata, the pages of lists and the filter by time of creation.
"""

import re
from dataclasses import dataclass
from typing import Any

from tests.support.fakes.stripe.account import Account, Obj, listed
from tests.support.fakes.stripe.refusals import invalid, no_such

_MOST_KEYS, _LONGEST_KEY, _LONGEST_VALUE = 50, 40, 500


@dataclass(frozen=True)
class Call:
    """The id in the path and the validated, typed parameters."""

    path: str
    id: str
    params: dict[str, Any]


def merged(old: dict[str, str], given: dict[str, str] | str | None) -> dict[str, str]:
    """Metadata after an update: an empty text clears it, or removes the key that has it."""
    if given is None:
        return old
    if isinstance(given, str):
        return {}
    new = {key: value for key, value in {**old, **given}.items() if value != ""}
    _check_metadata(new)
    return new


def _check_metadata(metadata: dict[str, str]) -> None:
    if len(metadata) > _MOST_KEYS:
        raise invalid("Invalid metadata: cannot have more than 50 keys", param="metadata")
    for key, value in metadata.items():
        if len(key) > _LONGEST_KEY or len(value) > _LONGEST_VALUE:
            message = "Metadata keys can have up to 40 characters, values up to 500"
            raise invalid(message, param=f"metadata[{key}]")


def currency_of(params: dict[str, Any], *defaults: str | None) -> str:
    """The requested currency, or the first default."""
    named = next(name for name in (params.get("currency"), *defaults, "usd") if name)
    if not re.fullmatch("[a-z]{3}", named):
        raise invalid(f"Invalid currency: {named}.", param="currency")
    return str(named)


def or_none(value: Any) -> Any:
    """The value, or None for an empty text, which unsets a field."""
    return None if value == "" else value


def page(account: Account, call: Call, found: list[Obj]) -> Obj:
    """The requested page of these objects, newest first."""
    params = call.params
    found = [each for each in found if _created_in(each, params.get("created"))]
    limit: int = params.get("limit", 10)
    if not 1 <= limit <= 100:
        message = f"This value must be between 1 and 100 (inclusive). Got {limit}."
        raise invalid(message, "parameter_invalid_integer", "limit")
    if "ending_before" in params:
        place = _place(found, params["ending_before"], "ending_before")
        start = max(0, place - limit)
        return _listed(account, call, found[start:place], start > 0)
    start = 0
    if "starting_after" in params:
        start = _place(found, params["starting_after"], "starting_after") + 1
    end = start + limit
    return _listed(account, call, found[start:end], end < len(found))


def _listed(account: Account, call: Call, found: list[Obj], more: bool) -> Obj:
    return listed([account.show(each) for each in found], call.path, more)


def _place(found: list[Obj], identifier: str, param: str) -> int:
    for place, each in enumerate(found):
        if each["id"] == identifier:
            return place
    raise no_such(found[0]["object"] if found else "object", identifier, param)


def _created_in(obj: Obj, asked: dict[str, int] | int | None) -> bool:
    created: int = obj["date"] if "date" in obj else obj.get("created", 0)
    if asked is None:
        return True
    if isinstance(asked, int):
        return created == asked
    lowest, highest = float("-inf"), float("inf")
    return asked.get("gt", lowest) < created < asked.get("lt", highest) and asked.get(
        "gte", lowest
    ) <= created <= asked.get("lte", highest)
