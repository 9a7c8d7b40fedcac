"""Ids: UUIDv7 in the database, the same with a prefix where a person or a program sees them.

Version 7 keeps new rows together in an index.
"""

from datetime import datetime
from uuid import UUID

from uuid_utils.compat import uuid7


def new_id() -> UUID:
    """A fresh UUIDv7, ordered by its time of making."""
    return uuid7()


def first_at(moment: datetime) -> UUID:
    """What is before every id that was made at this moment or later."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)


def show(prefix: str, identity: UUID) -> str:
    """`show("acct", …)` gives `acct_0198…`, 32 hexadecimal digits after the prefix."""
    return f"{prefix}_{identity.hex}"


def parse(prefix: str, text: str) -> UUID | None:
    """Read an id as `show` writes it; None where it is none of this prefix."""
    head, _, digits = text.partition("_")
    if head != prefix or len(digits) != 32:
        return None
    try:
        return UUID(hex=digits)
    except ValueError:
        return None
