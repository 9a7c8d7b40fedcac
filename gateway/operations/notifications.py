"""Changes of notification endpoints, test messages and repeated deliveries, with the audit log.

API, pages and CLI call the same functions.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.notifications.endpoints.confirmation import (
    UNCONFIRMED,
    Confirmation,
    confirm_endpoints,
    enqueue_confirmation,
    read_token,
)
from billing.notifications.endpoints.deliveries import DELIVERY_ID_PREFIX, deliver_again
from billing.notifications.endpoints.endpoints import (
    ENDPOINT_ID_PREFIX,
    EndpointChange,
    NewEndpoint,
    StoredEndpoint,
    create_endpoint,
    find_endpoint,
    get_endpoint,
    remove_endpoint,
    roll_secret,
    update_endpoint,
)
from billing.notifications.endpoints.fields import (
    AddressRules,
    check_address,
    require_address,
    require_kind,
)
from billing.notifications.endpoints.kinds import EMAIL
from billing.notifications.endpoints.sending import EndpointSender
from billing.notifications.endpoints.trial import TestedEndpoint, send_test_message
from billing.tables import Account, NotificationDelivery
from gateway.identity.audit_log import CLI_ACTOR, Actor, record_audit_event
from gateway.operations.endpoint_confirmation import may_send
from infra import ids
from infra.clock import Clock
from infra.database.database import Database
from infra.secrets.sealer import Sealer


@dataclass(frozen=True, slots=True)
class ChangedEndpoint:
    """An endpoint after a change; `warning` is set if DNS did not answer for its host."""

    stored: StoredEndpoint
    warning: str | None = None


@dataclass(frozen=True, slots=True)
class NotificationService:
    """Notification endpoints of accounts, with the rules for their addresses."""

    database: Database
    clock: Clock
    sealer: Sealer
    sender: EndpointSender
    rules: AddressRules

    async def add(self, actor: Actor, account_id: UUID, new: NewEndpoint) -> ChangedEndpoint:
        """Create an endpoint. Raises NotificationEndpointInvalid, TooManyNotificationEndpoints."""
        kind = require_kind(new.kind)
        address = require_address(kind, new.address, self.rules)
        warning = await check_address(kind, address, self.rules)
        async with self.database.transaction() as session:
            is_confirmed = kind != EMAIL or await may_send(session, account_id, address)
            checked = replace(new, address=address, is_confirmed=is_confirmed)
            stored = await create_endpoint(session, self.clock, self.sealer, account_id, checked)
            await self._ask_reader(session, stored)
            place = (session, self.clock, actor, account_id, "alerts.endpoint_added")
            await record_audit_event(*place, _name(stored), _details(stored))
        return ChangedEndpoint(stored, warning)

    async def change(
        self, actor: Actor, account_id: UUID, endpoint_id: UUID, change: EndpointChange
    ) -> ChangedEndpoint:
        """Change an endpoint. Raises NotificationEndpointNotFound, NotificationEndpointInvalid."""
        warning = None
        if change.address is not None:
            async with self.database.transaction() as session:
                kind = (await find_endpoint(session, account_id, endpoint_id)).kind
            address = require_address(kind, change.address, self.rules)
            warning = await check_address(kind, address, self.rules)
            change = replace(change, address=address)
        async with self.database.transaction() as session:
            if change.address is not None:
                is_confirmed = await may_send(session, account_id, change.address)
                change = replace(change, is_confirmed=is_confirmed)
            before = _details(await get_endpoint(session, account_id, endpoint_id))
            place = (session, self.clock, self.sealer, account_id, endpoint_id)
            stored = await update_endpoint(*place, change)
            if change.address is not None:
                await self._ask_reader(session, stored)
            details = {"from": before, "to": _details(stored)}
            audited = (session, self.clock, actor, account_id, "alerts.endpoint_changed")
            await record_audit_event(*audited, _name(stored), details)
        return ChangedEndpoint(stored, warning)

    async def roll_secret(
        self, actor: Actor, account_id: UUID, endpoint_id: UUID
    ) -> StoredEndpoint:
        """Give a webhook a new secret. Raises as `roll_secret`."""
        async with self.database.transaction() as session:
            stored = await roll_secret(session, self.sealer, account_id, endpoint_id)
            audited = (session, self.clock, actor, account_id, "alerts.secret_rolled")
            await record_audit_event(*audited, _name(stored))
        return stored

    async def remove(self, actor: Actor, account_id: UUID, endpoint_id: UUID) -> None:
        """Remove an endpoint. Raises NotificationEndpointNotFound."""
        async with self.database.transaction() as session:
            stored = await get_endpoint(session, account_id, endpoint_id)
            await remove_endpoint(session, self.clock, account_id, endpoint_id)
            audited = (session, self.clock, actor, account_id, "alerts.endpoint_removed")
            await record_audit_event(*audited, _name(stored), _details(stored))

    async def read_confirmation(self, token: str, *, confirms: bool) -> tuple[str, str]:
        """Return account name and address of a link's token, and confirm the address if wanted.

        Raises NotificationConfirmationInvalid.
        """
        confirmation = read_token(self.sealer, token, self.clock.now())
        async with self.database.transaction() as session:
            if confirms:
                for row in await confirm_endpoints(session, self.clock, confirmation):
                    audited = (session, self.clock, CLI_ACTOR, row.account_id)
                    name = ids.format_id(ENDPOINT_ID_PREFIX, row.id)
                    await record_audit_event(*audited, "alerts.endpoint_confirmed", name)
            account = await session.get_one(Account, confirmation.account_id)
            return account.name, confirmation.address

    async def _ask_reader(self, session: AsyncSession, stored: StoredEndpoint) -> None:
        """Send the link of a mailbox that is not confirmed, once a day at most."""
        row = stored.row
        if row.disabled_reason == UNCONFIRMED:
            confirmation = Confirmation(row.account_id, row.address)
            place = (session, self.clock, self.sealer, confirmation)
            await enqueue_confirmation(*place, row.language, self.sender.base_url)

    async def test(self, actor: Actor, account_id: UUID, endpoint_id: UUID) -> TestedEndpoint:
        """Send a test message and return its result.

        Raises NotificationEndpointNotFound, NotificationTestTooSoon.
        """
        place = (self.database, self.clock, self.sealer, self.sender)
        tested = await send_test_message(*place, account_id, endpoint_id)
        async with self.database.transaction() as session:
            audited = (session, self.clock, actor, account_id, "alerts.endpoint_tested")
            await record_audit_event(*audited, ids.format_id(ENDPOINT_ID_PREFIX, endpoint_id))
        return tested

    async def deliver_again(
        self, actor: Actor, account_id: UUID, delivery_id: UUID
    ) -> NotificationDelivery:
        """Queue a delivery again. Raises as `deliver_again`."""
        async with self.database.transaction() as session:
            row = await deliver_again(session, self.clock, account_id, delivery_id)
            audited = (session, self.clock, actor, account_id, "alerts.delivery_repeated")
            await record_audit_event(*audited, ids.format_id(DELIVERY_ID_PREFIX, delivery_id))
        return row


def _name(stored: StoredEndpoint) -> str:
    """Return the public id of an endpoint."""
    return ids.format_id(ENDPOINT_ID_PREFIX, stored.row.id)


def _details(stored: StoredEndpoint) -> Mapping[str, Any]:
    """Return what the audit log records of an endpoint: of its URL the host only."""
    row = stored.row
    host = stored.address if row.kind == EMAIL else urlsplit(stored.address).hostname
    return {
        "kind": row.kind,
        "host": host or "",
        "events": list(row.enabled_events),
        "enabled": row.enabled,
    }
