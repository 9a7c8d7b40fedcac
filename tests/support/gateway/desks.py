"""Sign-in and identity actions for tests."""

from base64 import b64decode
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pyotp
from sqlalchemy import text

from billing.accounts.account_creation import open_account
from billing.tables import Account
from gateway.identity.audit_log import (
    CLI_ACTOR,
    Actor,
    AuditLogEntry,
    list_account_entries,
    list_all_entries,
)
from gateway.identity.client_origin import ClientOrigin
from gateway.identity.current_user import Viewer
from gateway.identity.invitation_acceptance import Registration
from gateway.identity.roles import Role
from gateway.identity.services import IdentityServices
from gateway.identity.session_lookup import find_viewer
from gateway.identity.sessions import NewSession
from gateway.identity.totp import confirm_enrolment, start_enrolment
from infra.database.database import Database
from tests.support.builders import PLENTY
from tests.support.stories.story import Calendar

PASSWORD = "three wise turbines"
OFFICE = ClientOrigin("203.0.113.7", "Mozilla/5.0 (Windows) Firefox/143.0")


@dataclass
class Someone:
    """A signed-in person and their session cookie."""

    email: str
    viewer: Viewer
    token: str

    @property
    def actor(self) -> Actor:
        return Actor.from_viewer(self.viewer, OFFICE.address)


@dataclass
class Desk:
    """The parts of the service with a settable clock."""

    database: Database
    clock: Calendar
    identity: IdentityServices

    async def account(self, name: str) -> Account:
        async with self.database.transaction() as session:
            return await open_account(session, self.clock, name, "CNY", PLENTY)

    async def invite(self, account_id: UUID | None, email: str, role: Role) -> str:
        """Invite a person; returns the secret of the invitation link."""
        async with self.database.transaction() as session:
            place = (session, CLI_ACTOR, account_id, email, role)
            issued = await self.identity.invitations.invite(*place)
        return issued.link.rpartition("/")[2]

    async def someone(
        self,
        account_id: UUID | None,
        email: str,
        role: Role = Role.OWNER,
        language: str | None = None,
    ) -> Someone:
        """Create a person by an accepted invitation."""
        secret = await self.invite(account_id, email, role)
        newcomer = Registration(email.partition("@")[0], PASSWORD, language)
        opened = await self.identity.invitation_acceptance.accept(secret, newcomer, OFFICE)
        return await self.of(opened)

    async def of(self, opened: NewSession) -> Someone:
        viewer = await self.viewer(opened.token)
        assert viewer is not None
        return Someone(viewer.email, viewer, opened.token)

    async def viewer(self, token: str) -> Viewer | None:
        async with self.database.transaction() as session:
            return await find_viewer(session, self.clock, token)

    async def sign_in(
        self, email: str, password: str = PASSWORD, place: ClientOrigin = OFFICE
    ) -> Someone:
        return await self.of(await self.identity.login.sign_in(email, password, place))

    async def enrolled(self, someone: Someone) -> tuple[pyotp.TOTP, list[str]]:
        """Enrol an authenticator app, using up its first code; returns it and recovery codes."""
        sealer, person_id = self.identity.sealer, someone.viewer.person_id
        async with self.database.transaction() as session:
            app = pyotp.TOTP((await start_enrolment(session, sealer, person_id)).secret)
        async with self.database.transaction() as session:
            place = (session, self.clock, sealer, someone.actor, person_id)
            codes = await confirm_enrolment(*place, app.at(self.clock.now()))
        self.clock.pass_(seconds=60)
        return app, codes

    async def mails(self, kind: str) -> list[tuple[str, str, str]]:
        """Recipient, subject and text of each queued e-mail, unsealed as by the worker."""
        rows = await self.sql(
            f"select business_key, payload from outbox where business_key like 'email:{kind}:%' "
            "order by id"
        )
        return [(said["to"], said["subject"], self.text_of(key, said)) for key, said in rows]

    async def entries(self, account_id: UUID | None = None) -> list[AuditLogEntry]:
        async with self.database.transaction() as session:
            if account_id is None:
                return await list_all_entries(session)
            return await list_account_entries(session, account_id)

    async def sql(self, statement: str, **values: Any) -> list[Any]:
        async with self.database.transaction() as session:
            result = await session.execute(text(statement), values)
            return [tuple(row) for row in result] if result.returns_rows else []

    def text_of(self, key: str, said: dict[str, Any]) -> str:
        if "text" in said:
            return str(said["text"])
        return self.identity.sealer.open(b64decode(said["sealed"]), key)
