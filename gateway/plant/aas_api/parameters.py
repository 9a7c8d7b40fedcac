"""Parameters of requests: encoded ids, page limits, cursors, level and extent."""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from gateway.plant.aas_api.errors import AasParameterInvalid

# Its name is that of the version of the specification.
API_PATH = "/v1/plant/aas/api/v3.0"
MAX_LIMIT = 500
DEFAULT_LIMIT = 100

Entry = TypeVar("Entry")


@dataclass(frozen=True, slots=True)
class PageRequest:
    """A page of a list: at most `limit` entries from the index `start` on."""

    limit: int
    start: int


@dataclass(frozen=True, slots=True)
class AssetIdFilter:
    """A filter by the asset ids of shells: `globalAssetId` or the name of a specific id."""

    name: str
    value: str


def decode_id(text: str, name: str) -> str:
    """Return an id that was encoded as base64url, with or without padding.

    Raises AasParameterInvalid.
    """
    try:
        raw = text.rstrip("=").encode("ascii")
        if len(text) - len(raw) > 2:
            raise binascii.Error
        decoded = base64.b64decode(raw + b"=" * (-len(raw) % 4), altchars=b"-_", validate=True)
        return decoded.decode()
    except (binascii.Error, UnicodeError):
        raise AasParameterInvalid(f"`{name}` must be encoded as base64url.", param=name) from None


def encode_id(identifier: str) -> str:
    """Return an id as base64url without padding."""
    return base64.urlsafe_b64encode(identifier.encode()).decode().rstrip("=")


def parse_page(limit: str | None, cursor: str | None) -> PageRequest:
    """Return the page that a request asks for. Raises AasParameterInvalid."""
    return PageRequest(_parse_limit(limit), _parse_cursor(cursor))


def page_of(
    entries: Sequence[Entry], page: PageRequest, render: Callable[[Entry], Any]
) -> tuple[list[Any], dict[str, Any]]:
    """Return the entries of a page, and its paging metadata with the next page's cursor."""
    end = page.start + page.limit
    metadata = next_page(end) if end < len(entries) else {}
    return [render(entry) for entry in entries[page.start : end]], metadata


def next_page(start: int) -> dict[str, Any]:
    """Return the paging metadata with the cursor of the page that begins at an index."""
    return {"cursor": encode_id(str(start))}


def parse_asset_ids(texts: list[str]) -> list[AssetIdFilter]:
    """Return the filters of `assetIds`: base64url of `{"name": …, "value": …}`, or an id alone.

    Several ids can be in one parameter, separated by commas. Raises AasParameterInvalid.
    """
    return [_parse_asset_id(one) for text in texts for one in text.split(",") if one]


def check_choice(value: str | None, choices: tuple[str, ...], name: str) -> str:
    """Return the value, or the first choice if it is missing. Raises AasParameterInvalid."""
    if value is None:
        return choices[0]
    if value not in choices:
        raise AasParameterInvalid(f"`{name}` must be one of {', '.join(choices)}.", param=name)
    return value


def parse_flag(value: str | None, name: str) -> bool:
    """Return a Boolean parameter, which is true by default. Raises AasParameterInvalid."""
    return check_choice(value and value.lower(), ("true", "false"), name) == "true"


def _parse_limit(text: str | None) -> int:
    """Return the limit of a page."""
    if text is None:
        return DEFAULT_LIMIT
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text[:9]) <= MAX_LIMIT:
        raise AasParameterInvalid(f"`limit` must be from 1 to {MAX_LIMIT}.", param="limit")
    return int(text[:9])


def _parse_cursor(text: str | None) -> int:
    """Return the index at which a page starts."""
    if text is None:
        return 0
    decoded = decode_id(text, "cursor")
    if not (decoded.isascii() and decoded.isdigit()) or len(decoded) > 15:
        raise AasParameterInvalid("`cursor` must be one that a list returned.", param="cursor")
    return int(decoded)


def _parse_asset_id(text: str) -> AssetIdFilter:
    """Return the filter of one encoded asset id."""
    decoded = decode_id(text, "assetIds")
    try:
        data = json.loads(decoded) if decoded.startswith("{") else None
    except (ValueError, RecursionError):
        data = {}
    if data is None:
        return AssetIdFilter("globalAssetId", decoded)
    if isinstance(data.get("name"), str) and isinstance(data.get("value"), str):
        return AssetIdFilter(data["name"], data["value"])
    raise AasParameterInvalid(
        '`assetIds` must be the base64url of `{"name": …, "value": …}`.', param="assetIds"
    )
