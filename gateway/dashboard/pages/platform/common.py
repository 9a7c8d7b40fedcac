"""Place: where and when the platform's pages are.

Owns the addresses under which they stand, reading an account's id from one, and the zone of their
days: that of accounts of which nobody says otherwise.
"""

from uuid import UUID
from zoneinfo import ZoneInfo

from billing.accounts.accounts import PREFIX
from billing.accounts.profiles import USUAL
from billing.dates import zone_of
from gateway.dashboard.errors import PageNotFound
from infra import ids

ACCOUNTS = "/dashboard/platform/accounts"


def platform_zone() -> ZoneInfo:
    """By whose clocks the platform's pages show times."""
    return zone_of(USUAL.time_zone)


def account_address(account_id: UUID) -> str:
    """The page of one account."""
    return f"{ACCOUNTS}/{ids.show(PREFIX, account_id)}"


def require_id(prefix: str, text: str) -> UUID:
    """Raises PageNotFound where it is no id of this kind."""
    found = ids.parse(prefix, text)
    if found is None:
        raise PageNotFound("There is nothing of this id.")
    return found
