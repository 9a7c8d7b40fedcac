"""What the pages of agents share."""

from dataclasses import dataclass
from uuid import UUID
from zoneinfo import ZoneInfo

from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.profiles import get_account_currency, get_profile
from billing.dates import parse_time_zone
from gateway.access.api_keys import PREFIX as KEY_PREFIX
from gateway.access.api_keys import list_keys
from gateway.access.authenticator import Authenticator
from gateway.agents.public_ids import AGENT
from gateway.agents.store.agents import AgentChange
from gateway.dashboard.page_request import PageRequest
from gateway.dashboard.pages.access.active_keys import load_principal
from gateway.identity.audit_log import PERSON_ID_PREFIX, list_actor_names
from gateway.identity.roles import Permission
from infra import ids
from infra.clock import Clock
from infra.database.database import Database
from infra.settings import Settings

AGENTS_URL = "/dashboard/agents"
# A definition as text has up to 64,000 characters, each of up to 12 bytes in a form.
TEXT_FORM_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class AgentPage:
    """A request for a page of agents, and the parts of the gateway that it needs.

    most: agents that an account may have.
    """

    page: PageRequest
    database: Database
    clock: Clock
    authenticator: Authenticator
    most: int

    @property
    def may_change(self) -> bool:
        """Whether the viewer may create and change agents, which spend money."""
        return self.page.viewer.has_permission(Permission.CALL)

    @property
    def may_decide(self) -> bool:
        """Whether the viewer may approve and undo actions, which change the plant model."""
        return self.page.viewer.has_permission(Permission.PLANT)

    def change(self, session: AsyncSession) -> AgentChange:
        """Return the context of changes by the viewer in a transaction."""
        return AgentChange(session, self.clock, self.page.actor, self.page.account_id)

    async def key_id(self, key: str) -> UUID:
        """Return the id of a chosen key. Raises PageNotFound for another account's key."""
        principal = await load_principal(
            self.page, self.database, self.clock, self.authenticator, key
        )
        return principal.key_id


@dataclass(frozen=True, slots=True)
class AccountNames:
    """The names of an account's people and keys, by public id."""

    names: dict[str, str]

    def of(self, actor: str | None) -> str:
        """Return the name of who changed something; empty for the command line."""
        return "" if actor is None else self.names.get(actor, actor)


async def provide_agents(
    page: NamedDependency[PageRequest],
    database: NamedDependency[Database],
    clock: NamedDependency[Clock],
    authenticator: NamedDependency[Authenticator],
    settings: NamedDependency[Settings],
) -> AgentPage:
    """Return the request of a page of agents."""
    return AgentPage(page, database, clock, authenticator, settings.agents_per_account)


async def load_account(session: AsyncSession, account_id: UUID) -> tuple[ZoneInfo, str]:
    """Return the time zone and the currency of an account."""
    zone = parse_time_zone((await get_profile(session, account_id)).time_zone)
    return zone, await get_account_currency(session, account_id)


async def load_names(session: AsyncSession, account_id: UUID) -> AccountNames:
    """Return the names of people and keys that may have changed an agent."""
    people = await list_actor_names(session, account_id)
    keys = await list_keys(session, account_id)
    return AccountNames(
        {
            **{ids.format_id(PERSON_ID_PREFIX, one): name for one, name in people.items()},
            **{ids.format_id(KEY_PREFIX, key.id): key.name for key in keys},
        }
    )


def agent_url(agent_id: UUID) -> str:
    """Return the address of an agent's page."""
    return f"{AGENTS_URL}/{ids.format_id(AGENT, agent_id)}"
