"""`/v1/admin/entities`, `people` and accounts' administrators: who invoices, and who signs in."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import msgspec
from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import ACCOUNT_ID_PREFIX
from billing.accounts.entities import (
    EntityUpdate,
    create_entity,
    entity_to_json,
    list_entities,
    update_entity,
)
from billing.tables import Account
from gateway.access.admin_keys import NewAdminKey, create_admin_key
from gateway.access.admin_scopes import AdminScope
from gateway.api.admin.context import AdminRequest
from gateway.identity.audit_log import PERSON_ID_PREFIX, record_audit_event
from gateway.identity.people import PersonView, list_people
from gateway.identity.roles import Role
from gateway.identity.services import IdentityServices
from gateway.operations.admin_key_views import issued_admin_key_json
from infra import ids


class NewEntity(msgspec.Struct):
    """A legal entity that issues invoices: `code` such as `ACME`, and its name on invoices."""

    code: str
    name: str
    address: str | None = None
    tax_number: str | None = None


class EntityChanges(msgspec.Struct):
    """What to change of a legal entity; fields left out stay as they are."""

    name: str | None = None
    address: str | None = None
    tax_number: str | None = None


class NewInvitation(msgspec.Struct):
    """Whom to invite to an account; `role` is `owner`, `developer`, `finance` or `viewer`."""

    email: str
    role: Role


class NewAccountAdminKey(msgspec.Struct):
    """An admin key of an account, for `/v1/organization`; it expires after `expires_in_days`."""

    name: str
    expires_in_days: int = 90


_ACCOUNT = "/v1/admin/accounts/{account}"
BODIES: Mapping[str, type[msgspec.Struct]] = {
    "/v1/admin/entities": NewEntity,
    "/v1/admin/entities/{code}": EntityChanges,
    f"{_ACCOUNT}/invites": NewInvitation,
    f"{_ACCOUNT}/admin_keys": NewAccountAdminKey,
}
_ENTITY = msgspec.json.Decoder(NewEntity)
_CHANGES = msgspec.json.Decoder(EntityChanges)
_INVITATION = msgspec.json.Decoder(NewInvitation)
_ADMIN_KEY = msgspec.json.Decoder(NewAccountAdminKey)


class AdminEntityRoutes(Controller):
    """Legal entities that issue invoices."""

    path = "/entities"

    @get("/", summary="List legal entities", admin_scope=AdminScope.ACCOUNTS_READ)
    async def entities(self, admin: NamedDependency[AdminRequest]) -> dict[str, Any]:
        """Return the legal entities; the first one issues the invoices of new accounts."""
        data = [entity_to_json(entity) for entity in await admin.read(list_entities)]
        return {"object": "list", "data": data, "has_more": False}

    @post("/", status_code=200, summary="Add a legal entity", admin_scope=AdminScope.ACCOUNTS_WRITE)
    async def add(self, admin_change: NamedDependency[AdminRequest]) -> Response[bytes]:
        """Add a legal entity with invoice numbers of its own."""
        body = admin_change.decode(_ENTITY)
        values = EntityUpdate(body.name, body.address, body.tax_number)

        async def apply(session: AsyncSession) -> dict[str, Any]:
            """Add the entity and return it."""
            clock, actor = admin_change.clock, admin_change.actor
            entity = await create_entity(session, clock, body.code, values)
            await record_audit_event(session, clock, actor, None, "entity.added", body.code)
            return entity_to_json(entity)

        return await admin_change.change(apply)

    @post(
        "/{code:str}",
        status_code=200,
        summary="Change a legal entity",
        admin_scope=AdminScope.ACCOUNTS_WRITE,
    )
    async def update(
        self, admin_change: NamedDependency[AdminRequest], code: FromPath[str]
    ) -> Response[bytes]:
        """Change a legal entity; final invoices do not change."""
        body = msgspec.structs.asdict(admin_change.decode(_CHANGES))

        async def apply(session: AsyncSession) -> dict[str, Any]:
            """Change the entity and return it."""
            clock, actor = admin_change.clock, admin_change.actor
            entity = await update_entity(session, code, EntityUpdate(**body))
            details = {name: value for name, value in body.items() if value is not None}
            await record_audit_event(session, clock, actor, None, "entity.changed", code, details)
            return entity_to_json(entity)

        return await admin_change.change(apply)


class AdminPeopleRoutes(Controller):
    """People who can sign in, and administrators of accounts."""

    path = ""

    @get("/people", summary="List people who can sign in", admin_scope=AdminScope.ACCOUNTS_READ)
    async def people(self, admin: NamedDependency[AdminRequest]) -> dict[str, Any]:
        """Return all people with their accounts and roles, by e-mail address."""
        data = [_person_json(person) for person in await admin.read(list_people)]
        return {"object": "list", "data": data, "has_more": False}

    @post(
        "/accounts/{account:str}/invites",
        status_code=200,
        summary="Invite a person to an account",
        admin_scope=AdminScope.ACCOUNTS_WRITE,
    )
    async def invite(
        self,
        admin_change: NamedDependency[AdminRequest],
        identity: NamedDependency[IdentityServices],
        account: FromPath[str],
    ) -> Response[bytes]:
        """Send an invitation. The link is only in the e-mail."""
        body = admin_change.decode(_INVITATION)

        async def apply(session: AsyncSession, owner: Account) -> dict[str, Any]:
            """Send the invitation and return it."""
            place = (session, admin_change.actor, owner.id, body.email, body.role)
            issued = await identity.invitations.invite_unless_pending(*place)
            return {
                "object": "invite",
                "email": issued.email,
                "role": body.role.value,
                "expires_at": issued.expires_at.isoformat(),
            }

        return await admin_change.change_account(account, apply)

    @post(
        "/accounts/{account:str}/admin_keys",
        status_code=200,
        summary="Create an admin key of an account",
        admin_scope=AdminScope.KEYS_WRITE,
    )
    async def create_admin_key(
        self, admin_change: NamedDependency[AdminRequest], account: FromPath[str]
    ) -> Response[bytes]:
        """Create an admin key. The response contains its secret, which is shown only once."""
        body = admin_change.decode(_ADMIN_KEY)
        days = min(max(body.expires_in_days, 0), 10**6)
        new = NewAdminKey(body.name, lifetime=timedelta(days=days))
        clock, pepper, actor = admin_change.clock, admin_change.pepper, admin_change.actor

        async def apply(session: AsyncSession, owner: Account) -> dict[str, Any]:
            """Create the key and return it with its secret."""
            issued = await create_admin_key(session, clock, pepper, actor, owner.id, new)
            return {"object": "admin_key", **issued_admin_key_json(issued)}

        return await admin_change.change_account(account, apply)


def _person_json(person: PersonView) -> dict[str, Any]:
    """Return a person with memberships as JSON; `account` is null for a role of the platform."""
    return {
        "object": "person",
        "id": ids.format_id(PERSON_ID_PREFIX, person.id),
        "email": person.email,
        "name": person.name,
        "second_factor": person.second_factor,
        "memberships": [
            {
                "account": one.account_id and ids.format_id(ACCOUNT_ID_PREFIX, one.account_id),
                "role": one.role.value,
            }
            for one in person.memberships
        ],
        "created_at": person.created_at.isoformat(),
    }
