"""Confirmation of mailboxes: events are sent to an address only after its reader has agreed.

A link with an encrypted token goes to the address once a day at most. It confirms all endpoints of
the account with this address. Without it an endpoint stays disabled with the reason `unconfirmed`.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.events.emission import IS_PRESENT
from billing.notifications.endpoints.kinds import EMAIL
from billing.notifications.messages import EmailNotice
from billing.outbox import enqueue
from billing.tables import Account, NotificationEndpoint
from infra.clock import Clock
from infra.errors import AppError
from infra.secrets.sealer import SealBroken, Sealer

CONFIRMATION_PAGE = "/dashboard/confirm-notifications"
UNCONFIRMED = "unconfirmed"
_LIFETIME = timedelta(days=7)
_PURPOSE = "notification_endpoint_confirmation"
_LONGEST_TOKEN = 4_000


class NotificationConfirmationInvalid(AppError):
    """The link is not ours, has expired, or its endpoint was removed."""

    status = 410
    type = "invalid_request_error"
    code = "notification_confirmation_invalid"


class NotificationEndpointUnconfirmed(AppError):
    """The mailbox was not confirmed yet."""

    status = 409
    type = "invalid_request_error"
    code = "notification_endpoint_unconfirmed"


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What a token confirms: events of an account may be sent to an address."""

    account_id: UUID
    address: str


def seal_token(sealer: Sealer, confirmation: Confirmation, now: datetime) -> str:
    """Return the token of a link, which is valid for seven days."""
    values = {
        "account": confirmation.account_id.hex,
        "address": confirmation.address,
        "until": (now + _LIFETIME).timestamp(),
    }
    return urlsafe_b64encode(sealer.seal(json.dumps(values), _PURPOSE)).decode().rstrip("=")


def read_token(sealer: Sealer, token: str, now: datetime) -> Confirmation:
    """Return what a token confirms. Raises NotificationConfirmationInvalid."""
    try:
        sealed = urlsafe_b64decode(token[:_LONGEST_TOKEN] + "=" * (-len(token) % 4))
        values = json.loads(sealer.open(sealed, _PURPOSE))
    except (SealBroken, ValueError) as error:
        raise _invalid() from error
    if values["until"] < now.timestamp():
        raise _invalid()
    return Confirmation(UUID(values["account"]), values["address"])


async def is_confirmed_before(session: AsyncSession, confirmation: Confirmation) -> bool:
    """Return whether a present endpoint of the account has this address confirmed."""
    rows = await _list_endpoints(session, confirmation)
    return any(row.disabled_reason != UNCONFIRMED for row in rows)


async def enqueue_confirmation(
    session: AsyncSession,
    clock: Clock,
    sealer: Sealer,
    confirmation: Confirmation,
    language: str,
    base_url: str,
) -> None:
    """Enqueue the e-mail with the link: one for each account, address and day."""
    now = clock.now()
    account = await session.get_one(Account, confirmation.account_id)
    link = f"{base_url}{CONFIRMATION_PAGE}/{seal_token(sealer, confirmation, now)}"
    notice = EmailNotice("endpoint_confirmation", {"account": account.name, "link": link})
    subject, text = notice.render(language)
    key = f"{_PURPOSE}:{account.id.hex}:{confirmation.address}:{now:%Y%m%d}"
    payload = {"to": confirmation.address, "subject": subject, "text": text}
    await enqueue(session, clock, account.id, "email", key, key, payload)


async def confirm_endpoints(
    session: AsyncSession, clock: Clock, confirmation: Confirmation
) -> Sequence[NotificationEndpoint]:
    """Enable the unconfirmed endpoints of the address; a repeated confirmation changes nothing.

    Raises NotificationConfirmationInvalid if the account has no endpoint with it any more.
    """
    rows = await _list_endpoints(session, confirmation, lock=True)
    if not rows:
        raise _invalid()
    waiting = [row for row in rows if row.disabled_reason == UNCONFIRMED]
    for row in waiting:
        row.enabled, row.disabled_reason, row.due_at = True, "", clock.now()
    await session.flush()
    return waiting


def require_confirmed(endpoint: NotificationEndpoint) -> None:
    """Raise NotificationEndpointUnconfirmed for a mailbox that was not confirmed yet."""
    if endpoint.disabled_reason == UNCONFIRMED:
        raise NotificationEndpointUnconfirmed(
            "The mailbox was not confirmed yet. Open the link in the e-mail that was sent to it."
        )


async def _list_endpoints(
    session: AsyncSession, confirmation: Confirmation, *, lock: bool = False
) -> Sequence[NotificationEndpoint]:
    """List the account's present endpoints with an address."""
    query = select(NotificationEndpoint).where(
        col(NotificationEndpoint.account_id) == confirmation.account_id,
        col(NotificationEndpoint.kind) == EMAIL,
        col(NotificationEndpoint.address) == confirmation.address,
        IS_PRESENT,
    )
    query = query.order_by(col(NotificationEndpoint.id))
    return (await session.scalars(query.with_for_update() if lock else query)).all()


def _invalid() -> NotificationConfirmationInvalid:
    """Return the error for a link that confirms nothing."""
    return NotificationConfirmationInvalid(
        "The link is not valid any more. Add the mailbox again to get another one."
    )
