"""Ids: UUIDv7 in the database, with a type prefix in the API (`acct_0198…`).

UUIDv7 keeps new rows together in an index.
"""

from datetime import datetime
from uuid import UUID

from uuid_utils.compat import uuid7


def new_id() -> UUID:
    """Return a new UUIDv7, ordered by creation time."""
    return uuid7()


def lowest_id_at(moment: datetime) -> UUID:
    """Return the lower bound of all ids created at this moment or later."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)


def format_id(prefix: str, identity: UUID) -> str:
    """Format an id for the API: `format_id("acct", …)` gives `acct_` and 32 hexadecimal digits."""
    return f"{prefix}_{identity.hex}"


def parse_id(prefix: str, text: str) -> UUID | None:
    """Parse an id in the form of `format_id`. Returns None if it is invalid for the prefix."""
    head, _, digits = text.partition("_")
    if head != prefix or len(digits) != 32:
        return None
    try:
        return UUID(hex=digits)
    except ValueError:
        return None
