"""What stages of the demo work with, and what a firm has become so far."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from gateway.demo.dates import Dates, StoryClock
from gateway.demo.firms import Firm, Work
from gateway.identity.invitation_acceptance import Accepting
from gateway.identity.invitations import Inviting
from infra.database.database import Database
from models.catalog import Catalog

CURRENCY = "CNY"
PLANS = Path(__file__).with_name("plans")


@dataclass(frozen=True, slots=True)
class Tools:
    """One filling's. `pepper` hashes keys, `listed` is whether its plans are offered to all, and
    `percent` how many of the usual calls there are."""

    database: Database
    clock: StoryClock
    dates: Dates
    catalog: Catalog
    inviting: Inviting
    accepting: Accepting
    pepper: bytes
    password: str
    listed: bool
    percent: int


@dataclass(frozen=True, slots=True)
class Opened:
    """A firm with its account. `keys` are the ids of those that it calls with, by name; `secret` is
    the first one's."""

    firm: Firm
    account_id: UUID
    keys: Mapping[str, UUID]
    secret: str
    works: tuple[tuple[Work, str], ...]
