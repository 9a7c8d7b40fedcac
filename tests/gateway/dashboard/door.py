"""A person who is not signed in yet, for tests of sign-in pages."""

from dataclasses import dataclass
from uuid import UUID

import httpx
from sqlmodel import col, select

from gateway.identity.audit_log import CLI_ACTOR
from gateway.identity.invitations import InvitationService
from gateway.identity.links import Links
from gateway.identity.roles import Role
from gateway.tables import Person
from infra.secrets.sealer import Sealer
from infra.secrets.secret_key import secret_key
from tests.support.builders import Gateway, customer

PASSWORD = "three wise turbines"

EMAIL = "li@acme.example"


@dataclass
class Door:
    """A gateway, and an HTTP client without a session."""

    gateway: Gateway
    http: httpx.AsyncClient

    async def invited(self, email: str = EMAIL, account_id: UUID | None = None) -> str:
        """Path of an invitation link for `email` to the gateway's account, or to `account_id`."""
        parts = self.gateway.parts
        sealer = Sealer(secret_key(parts.settings))
        inviting = InvitationService(parts.clock, sealer, Links(self.gateway.url))
        async with parts.database.transaction() as session:
            firm = account_id or self.gateway.account.id
            place = (session, CLI_ACTOR, firm, email, Role.FINANCE)
            issued = await inviting.invite(*place)
        return issued.link.removeprefix(self.gateway.url)

    async def invited_by_another(self) -> str:
        """Path of an invitation link to another account."""
        parts = self.gateway.parts
        account, _ = await customer(parts.database, parts.settings, "Another")
        return await self.invited(account_id=account.id)

    async def accepted(self) -> httpx.Response:
        """Accept an invitation as a new person."""
        fields = {"name": "Li Xuemei", "password": PASSWORD}
        return await self.http.post(await self.invited(), data=fields)

    async def signs_in(self, password: str = PASSWORD, **fields: str) -> httpx.Response:
        said = {"email": EMAIL, "password": password, **fields}
        return await self.http.post("/dashboard/sign-in", data=said)

    async def signs_out(self) -> None:
        page = (await self.http.get("/dashboard")).text
        token = page.partition('name="csrf" content="')[2].partition('"')[0]
        answer = await self.http.post("/dashboard/sign-out", data={"csrf": token})
        assert answer.headers["location"] == "/dashboard/sign-in"

    async def person_id(self) -> UUID:
        async with self.gateway.parts.database.transaction() as session:
            query = select(Person.id).where(col(Person.email) == EMAIL)
            return (await session.scalars(query)).one()
