"""Changing where alerts go: the URL is checked first, in DNS too, then stored."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from billing.notifications.alert_targets import read_target, set_target, target_json
from billing.notifications.webhook_addresses import look_up, require_reachable
from infra.database.database import Database
from infra.outbound.allowed_addresses import Reach


@dataclass(frozen=True, slots=True)
class CheckedUrl:
    """A webhook URL that passed; `warning` says that its host name could not be looked up."""

    url: str
    warning: str | None = None


async def check_url(database: Database, account_id: UUID, url: str, reach: Reach) -> CheckedUrl:
    """Check a webhook URL; an empty one is no webhook. Its host name is looked up if it differs
    from the account's present URL, and outside of any transaction. Raises WebhookUnreachable."""
    require_reachable(url, reach)
    async with database.transaction() as session:
        stored = (await read_target(session, account_id)).url
    return CheckedUrl(url, await look_up(url, reach) if url not in ("", stored) else None)


async def change_target(
    database: Database,
    reach: Reach,
    account_id: UUID,
    url: str | None = None,
    percentages: Sequence[int] | None = None,
) -> dict[str, Any]:
    """Change either from now on; None leaves it, and an empty URL ends the webhook. Returns the
    target as JSON, with the `secret` of a new webhook and the `warning` of its check, if any.
    Raises AlertTargetInvalid."""
    checked = None if url is None else await check_url(database, account_id, url, reach)
    async with database.transaction() as session:
        secret = await set_target(session, account_id, url, percentages)
        shown = await target_json(session, account_id)
    once = {"secret": secret, "warning": checked and checked.warning}
    return shown | {name: value for name, value in once.items() if value is not None}
