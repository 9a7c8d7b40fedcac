"""Changes that owners make through API, command line and pages: limits, keys that pay, warnings."""

from dataclasses import dataclass
from uuid import UUID

from sqlmodel import col, select

from billing.tables import ApiKey
from gateway.access.api_keys import PREFIX as KEY_PREFIX
from gateway.access.api_keys import KeyNotActive, KeyNotFound
from gateway.access.key_permissions import is_restricted
from gateway.agents.definitions.values import AgentDefinition
from gateway.agents.errors import AgentKeyNotAllowed
from gateway.agents.store.agents import (
    AgentChange,
    change_definition,
    create_agent,
    find_agent,
    read_definition,
    set_key,
)
from gateway.agents.store.findings import AgentWarning, find_warnings
from gateway.call.values import Principal
from gateway.tables.agents import Agent
from infra import ids
from models.catalog import Catalog


@dataclass(frozen=True, slots=True)
class Checked:
    """An agent after a change, and what of its definition has no effect now."""

    agent: Agent
    warnings: list[AgentWarning]


@dataclass(frozen=True, slots=True)
class AgentOwner:
    """Makes the changes of one request. caller: the key that asks, None for a person.

    most: how many agents the account may have.
    """

    change: AgentChange
    catalog: Catalog
    most: int
    caller: Principal | None = None

    async def create(self, key_id: UUID, definition: AgentDefinition) -> Checked:
        """Create an agent, paused. Raises AgentLimitReached, PlantNodeNotFound."""
        return await self.checked(await create_agent(self.change, key_id, definition, self.most))

    async def change_agent(
        self,
        agent: str,
        definition: AgentDefinition,
        expected: int | None = None,
        key_id: UUID | None = None,
    ) -> Checked:
        """Make a definition the agent's next version, and optionally another key its payer.

        Raises AgentNotFound, AgentVersionConflict, AgentKeyNotAllowed, PlantNodeNotFound.
        """
        await self.require_allowed(agent)
        row = await change_definition(self.change, agent, definition, expected)
        if key_id is not None:
            await set_key(self.change, row, key_id)
        return await self.checked(row)

    async def require_allowed(self, agent: str) -> Agent:
        """Return the agent if the caller may change it. Raises AgentNotFound, AgentKeyNotAllowed.

        A key of a project changes agents that a key of the project pays; a restricted key only
        those that it pays itself, so that it cannot spend what another key may.
        """
        row = await find_agent(self.change.session, self.change.account_id, agent)
        await self.require_payer(row.key_id)
        return row

    async def find_key(self, key: str) -> UUID:
        """Return the id of an active key of the account that may pay for the caller's agents.

        Raises KeyNotFound, KeyNotActive, AgentKeyNotAllowed.
        """
        row = await self._key(ids.parse_id(KEY_PREFIX, key))
        now = self.change.clock.now()
        if row.revoked_at is not None or (row.expires_at is not None and row.expires_at <= now):
            raise KeyNotActive(f"The API key {key[:60]!r} is revoked or has expired.", param="key")
        await self.require_payer(row.id)
        return row.id

    async def checked(self, row: Agent) -> Checked:
        """Return an agent with the warnings of its definition."""
        found = await find_warnings(
            self.change.session,
            self.change.clock,
            self.catalog,
            row,
            read_definition(row.definition),
        )
        return Checked(row, found)

    async def require_payer(self, key_id: UUID) -> None:
        """Raise AgentKeyNotAllowed if the caller may not change agents that a key pays."""
        caller = self.caller
        if caller is None or caller.key_id == key_id:
            return
        if is_restricted(caller):
            raise AgentKeyNotAllowed(
                "This API key is restricted, so it changes only agents whose calls it pays itself.",
                param="key",
            )
        if caller.project_id in (None, caller.account_id):
            return
        if (await self._key(key_id)).project_id != caller.project_id:
            raise AgentKeyNotAllowed("The key that pays is of another project.", param="key")

    async def _key(self, key_id: UUID | None) -> ApiKey:
        """Return a key of the account. Raises KeyNotFound."""
        query = select(ApiKey).where(
            col(ApiKey.id) == key_id, col(ApiKey.account_id) == self.change.account_id
        )
        row = (await self.change.session.scalars(query)).one_or_none()
        if row is None:
            raise KeyNotFound("The account has no such API key.", param="key")
        return row
