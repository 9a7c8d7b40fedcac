"""Change an account's alert target: check the webhook URL, also in DNS, then store it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from billing.notifications.alert_targets import (
    alert_target_json,
    get_alert_target,
    update_alert_target,
)
from billing.notifications.webhook_addresses import check_host_resolves, require_allowed_url
from infra.database.database import Database
from infra.outbound.allowed_addresses import AllowedAddresses


@dataclass(frozen=True, slots=True)
class CheckedUrl:
    """A valid webhook URL; `warning` is set if DNS did not answer for its host name."""

    url: str
    warning: str | None = None


async def check_webhook_url(
    database: Database, account_id: UUID, url: str, allowed: AllowedAddresses
) -> CheckedUrl:
    """Check a webhook URL, or an empty one, and return it with a warning if DNS did not answer.

    The host name of a new URL is resolved, outside of any transaction. Raises WebhookUnreachable.
    """
    require_allowed_url(url, allowed)
    async with database.transaction() as session:
        stored = (await get_alert_target(session, account_id)).url
    return CheckedUrl(
        url, await check_host_resolves(url, allowed) if url not in ("", stored) else None
    )


async def change_alert_target(
    database: Database,
    allowed: AllowedAddresses,
    account_id: UUID,
    url: str | None = None,
    percentages: Sequence[int] | None = None,
) -> dict[str, Any]:
    """Update the webhook URL or the percentages; None leaves a value, an empty URL removes it.

    Returns the target as JSON, with the `secret` of a new webhook and the `warning` of its check,
    if any. Raises AlertTargetInvalid.
    """
    checked = None if url is None else await check_webhook_url(database, account_id, url, allowed)
    async with database.transaction() as session:
        secret = await update_alert_target(session, account_id, url, percentages)
        target = await alert_target_json(session, account_id)
    extra_fields = {"secret": secret, "warning": checked and checked.warning}
    return target | {name: value for name, value in extra_fields.items() if value is not None}
