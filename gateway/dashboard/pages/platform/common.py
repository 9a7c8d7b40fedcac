"""URLs, id parsing and the time zone shared by the platform's pages."""

from uuid import UUID
from zoneinfo import ZoneInfo

from billing.accounts.accounts import ACCOUNT_ID_PREFIX
from billing.accounts.profiles import DEFAULT_PROFILE
from billing.dates import parse_time_zone
from gateway.dashboard.errors import PageNotFound
from infra import ids

ACCOUNTS_URL = "/dashboard/platform/accounts"


def platform_zone() -> ZoneInfo:
    """Return the time zone of the platform's pages: the default zone of new accounts."""
    return parse_time_zone(DEFAULT_PROFILE.time_zone)


def account_url(account_id: UUID) -> str:
    """Return the URL of an account's page."""
    return f"{ACCOUNTS_URL}/{ids.format_id(ACCOUNT_ID_PREFIX, account_id)}"


def parse_id_or_404(prefix: str, text: str) -> UUID:
    """Parse an id with a prefix. Raises PageNotFound if it is invalid."""
    parsed = ids.parse_id(prefix, text)
    if parsed is None:
        raise PageNotFound("No record has this ID.")
    return parsed
