"""Notices to customers about their fapiao: e-mail and the webhook event `fapiao.issued`."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.profiles import get_profile
from billing.fapiao.amounts import Colour
from billing.fapiao.views import fapiao_to_json, invoice_number
from billing.money import Money
from billing.notifications.alert_targets import ALERT_ACTION, get_alert_target
from billing.notifications.messages import EmailNotice
from billing.outbox import enqueue
from billing.tables import Fapiao
from infra import ids
from infra.clock import Clock

FAPIAO_ISSUED = "fapiao.issued"


async def enqueue_issued(session: AsyncSession, clock: Clock, row: Fapiao) -> None:
    """Enqueue e-mail and webhook that a fapiao or a red letter was issued, each once.

    The e-mail goes to the address of the title, else to that of the account.
    """
    await _enqueue_email(session, clock, row)
    target = await get_alert_target(session, row.account_id)
    if target.url:
        payload = {
            "type": FAPIAO_ISSUED,
            "timestamp": clock.now().isoformat(),
            "data": {
                "account": ids.format_id("acct", row.account_id),
                **fapiao_to_json(row, await invoice_number(session, row)),
            },
        }
        key = _key(row.id)
        await enqueue(session, clock, row.account_id, ALERT_ACTION, key, key, payload)


async def _enqueue_email(session: AsyncSession, clock: Clock, row: Fapiao) -> None:
    """Enqueue the e-mail, if there is an address."""
    profile = await get_profile(session, row.account_id)
    to = row.title["email"] or profile.email
    if not to:
        return
    kind = "fapiao_issued" if row.colour == Colour.BLUE else "fapiao_red_issued"
    values = {
        "fapiao": row.number or "",
        "number": await invoice_number(session, row),
        "amount": str(Money(row.total, "CNY")),
        "title": row.title["name"],
    }
    subject, text = EmailNotice(kind, values).render(profile.locale)
    key, payload = f"email:{_key(row.id)}", {"to": to, "subject": subject, "text": text}
    await enqueue(session, clock, row.account_id, "email", key, key, payload)


def _key(fapiao_id: UUID) -> str:
    """Return the business key of the notices about a fapiao."""
    return f"{FAPIAO_ISSUED}:{fapiao_id}"
