"""Operators' answers to disputes of invoice lines and of outcome settlements. All audited."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from billing.collection.line_disputes import (
    LINE_DISPUTE_ID_PREFIX,
    DisputeAnswer,
    LineDisputeNotFound,
    answer_line_dispute,
)
from billing.invoices.credit_notes import CreditNoteInvalid
from billing.outcomes.settlement.disputes import (
    answer_dispute,
    concede_dispute,
    decide_dispute,
)
from billing.outcomes.settlement.views import dispute_json
from billing.tables import Account, LineDispute
from gateway.identity.audit_log import Actor, record_audit_event
from gateway.operations.outcome_ids import parse_dispute_id
from gateway.operations.parsing import parse_minor
from infra import ids
from infra.clock import Clock


@dataclass(frozen=True, slots=True)
class LineAnswer:
    """An answer to a disputed line by a named person; without `credit` it rejects the dispute.

    `credit` is an amount as text, tax included.
    """

    text: str
    by: str
    credit: str | None = None
    refund: bool = False


async def answer_disputed_line(
    session: AsyncSession,
    clock: Clock,
    actor: Actor,
    account: Account,
    dispute: str,
    answer: LineAnswer,
) -> LineDispute:
    """Answer a line dispute. Raises as `answer_line_dispute`."""
    dispute_id = ids.parse_id(LINE_DISPUTE_ID_PREFIX, dispute)
    if dispute_id is None:
        raise LineDisputeNotFound(
            f"{dispute[:100]!r} is not a line dispute ID (ldsp_…). "
            "Run `maas invoices disputes` to see open disputes."
        )
    text = answer.credit
    minor = 0 if text is None else parse_minor(text, account.currency, CreditNoteInvalid)
    given = DisputeAnswer(answer.by, answer.text, minor, answer.refund)
    answered = await answer_line_dispute(session, clock, account.id, dispute_id, given)
    details = {"amount": text, "by": answer.by}
    await record_audit_event(
        session, clock, actor, account.id, "dispute.line_answered", dispute, details
    )
    return answered


@dataclass(frozen=True, slots=True)
class OutcomeDisputes:
    """Operators' actions on disputes of one account's settlements, in the caller's transaction."""

    session: AsyncSession
    clock: Clock
    actor: Actor
    account: Account

    async def answer(self, dispute: str, text: str) -> dict[str, Any]:
        """Answer a dispute. Raises the errors of `answer_dispute`."""
        place = (self.session, self.clock, self.account.id, parse_dispute_id(dispute))
        return await self._finish(dispute, "answered", await answer_dispute(*place, text), {})

    async def decide(self, dispute: str, side: str, by: str) -> dict[str, Any]:
        """Decide a dispute for a side. Raises the errors of `decide_dispute`."""
        place = (self.session, self.clock, self.account.id, parse_dispute_id(dispute))
        decided = await decide_dispute(*place, side, by)
        return await self._finish(dispute, "decided", decided, {"side": side, "by": by})

    async def concede(self, dispute: str, side: str) -> dict[str, Any]:
        """Concede a dispute to the other side. Raises the errors of `concede_dispute`."""
        place = (self.session, self.clock, self.account.id, parse_dispute_id(dispute))
        conceded = await concede_dispute(*place, side)
        return await self._finish(dispute, "conceded", conceded, {"side": side})

    async def _finish(
        self, dispute: str, verb: str, row: Any, details: dict[str, Any]
    ) -> dict[str, Any]:
        """Audit a change of a dispute and return the dispute as JSON."""
        place = (self.session, self.clock, self.actor, self.account.id)
        await record_audit_event(*place, f"dispute.{verb}", dispute, details)
        return await dispute_json(self.session, row)
