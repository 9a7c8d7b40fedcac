"""Trying out: a test that goes where an account's alerts go, and says that it is one.

Owns that test. Does not own where alerts go (billing/notices/targets.py) nor sending
(billing/notices/notifying.py).
"""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.profiles import read_profile
from billing.notices.notices import Notice, tell
from billing.notices.targets import ALERT, read_target
from billing.outbox import put
from infra import ids
from infra.clock import Clock
from infra.errors import AppError


class NobodyToTell(AppError):
    """The account's alerts go nowhere: it has neither an e-mail address nor a webhook."""

    status = 409
    type = "invalid_request_error"
    code = "nobody_to_tell"


async def send_test(session: AsyncSession, clock: Clock, account_id: UUID) -> None:
    """By e-mail and to the webhook, whichever there is; once a minute, however often it is asked
    for. Raises NobodyToTell."""
    profile, target = (
        await read_profile(session, account_id),
        await read_target(session, account_id),
    )
    if not profile.email and not target.url:
        raise NobodyToTell("There is neither an e-mail address nor a webhook to send a test to.")
    now = clock.now()
    key = f"alert-test:{account_id}:{now:%Y%m%dT%H%M}"
    await tell(session, clock, profile, key, Notice("alert_test", {}))
    if target.url:
        data = {"account": ids.show("acct", account_id)}
        said = {"type": "alert.test", "timestamp": now.isoformat(), "data": data}
        await put(session, clock, account_id, ALERT, key, key, said)
