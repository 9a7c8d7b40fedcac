"""Address and secret of an endpoint: encrypted in its row, or in the alert settings."""

import json
from dataclasses import dataclass
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from billing.notifications.alert_targets import get_alert_target
from billing.tables import NotificationEndpoint
from infra.secrets.sealer import SealBroken, Sealer


@dataclass(frozen=True, slots=True)
class Address:
    """URL or mailbox, and the secret that signs messages, empty if they are not signed."""

    url: str
    secret: str = ""


def seal_address(sealer: Sealer, endpoint_id: UUID, address: Address) -> bytes:
    """Encrypt an address for the row of an endpoint."""
    text = json.dumps({"url": address.url, "secret": address.secret})
    return sealer.seal(text, _purpose(endpoint_id))


async def read_address(
    session: AsyncSession, sealer: Sealer, endpoint: NotificationEndpoint
) -> Address:
    """Return the address of an endpoint.

    Its URL is empty if it was removed, or cannot be decrypted because the secret key has changed.
    """
    if endpoint.sealed is None:
        target = await get_alert_target(session, endpoint.account_id)
        return Address(target.url, target.secret)
    try:
        values = json.loads(sealer.open(endpoint.sealed, _purpose(endpoint.id)))
    except SealBroken as error:
        structlog.get_logger().error(error.message, endpoint=endpoint.id.hex)
        return Address("")
    return Address(values["url"], values["secret"])


def _purpose(endpoint_id: UUID) -> str:
    """Return what the encryption is bound to: a copy in another row cannot be read."""
    return f"notification_endpoint:{endpoint_id.hex}"
