"""The dependencies of the demo, and an example firm's account."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from gateway.demo.dates import DemoDates, SimulatedClock
from gateway.demo.firms import CallType, Firm
from gateway.identity.invitation_acceptance import InvitationAcceptance
from gateway.identity.invitations import InvitationService
from infra.database.database import Database
from models.catalog import Catalog

CURRENCY = "CNY"
PLANS = Path(__file__).with_name("plans")


@dataclass(frozen=True, slots=True)
class DemoDependencies:
    """What filling the demo needs: database, clock, services and options.

    `pepper` hashes API keys, `password` is every user's, `are_plans_listed` offers the demo's plans
    to all accounts, and `percent` scales the number of calls.
    """

    database: Database
    clock: SimulatedClock
    dates: DemoDates
    catalog: Catalog
    invitations: InvitationService
    invitation_acceptance: InvitationAcceptance
    pepper: bytes
    password: str
    are_plans_listed: bool
    percent: int


@dataclass(frozen=True, slots=True)
class DemoAccount:
    """A firm with its account: key ids by name, the secret of the first key, and its call types."""

    firm: Firm
    account_id: UUID
    key_ids: Mapping[str, UUID]
    api_key: str
    call_types: tuple[tuple[CallType, str], ...]
