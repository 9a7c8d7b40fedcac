"""Notices to customers about their fapiao: e-mail and the event `fapiao.issued`."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.profiles import get_profile
from billing.events.emission import Event, emit_event
from billing.events.texts import localised
from billing.fapiao.amounts import Colour
from billing.fapiao.views import fapiao_to_json, invoice_number
from billing.money import Money
from billing.notifications.messages import EmailNotice
from billing.outbox import enqueue
from billing.tables import Fapiao
from infra.clock import Clock

FAPIAO_ISSUED = "fapiao.issued"


async def enqueue_issued(session: AsyncSession, clock: Clock, row: Fapiao) -> None:
    """Enqueue the e-mail and emit the event that a fapiao or a red letter was issued, each once.

    The e-mail goes to the address of the title, else to that of the account.
    """
    notice = await _build_notice(session, row)
    await _enqueue_email(session, clock, row, notice)
    data = fapiao_to_json(row, await invoice_number(session, row))
    texts = localised(notice.render_without_greeting)
    event = Event(row.account_id, FAPIAO_ISSUED, _key(row.id), data, texts, "/dashboard/fapiao")
    await emit_event(session, clock, event)


async def _enqueue_email(
    session: AsyncSession, clock: Clock, row: Fapiao, notice: EmailNotice
) -> None:
    """Enqueue the e-mail, if there is an address."""
    profile = await get_profile(session, row.account_id)
    to = row.title["email"] or profile.email
    if not to:
        return
    subject, text = notice.render(profile.locale)
    key, payload = f"email:{_key(row.id)}", {"to": to, "subject": subject, "text": text}
    await enqueue(session, clock, row.account_id, "email", key, key, payload)


async def _build_notice(session: AsyncSession, row: Fapiao) -> EmailNotice:
    """Build the notice about an issued fapiao or red letter."""
    kind = "fapiao_issued" if row.colour == Colour.BLUE else "fapiao_red_issued"
    values = {
        "fapiao": row.number or "",
        "number": await invoice_number(session, row),
        "amount": str(Money(row.total, "CNY")),
        "title": row.title["name"],
    }
    return EmailNotice(kind, values)


def _key(fapiao_id: UUID) -> str:
    """Return the business key of the notices about a fapiao."""
    return f"{FAPIAO_ISSUED}:{fapiao_id}"
