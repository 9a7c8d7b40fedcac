"""Next steps on the overview: unpaid invoices, disputes, limits, agents' proposals, and setup.

Steps that lead to a page the viewer may not open are left out.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from billing.invoice_documents.invoice_list import InvoiceListItem
from billing.invoice_documents.outcome_charge import SETTLEMENT_PREFIX
from billing.notifications.monitored_limits import MonitoredLimit
from billing.outcomes.settlement.read_model import dispute_status
from billing.tables import Dispute, InvoiceStatus
from infra import ids

_WARNING_PERCENT = 80  # percent


@dataclass(frozen=True, slots=True)
class Step:
    """A recommended action: its name (the template has its text), URL, severity and subject."""

    name: str
    address: str
    kind: str = ""
    invoice: InvoiceListItem | None = None
    watched: MonitoredLimit | None = None
    dispute: Dispute | None = None
    proposals: int = 0


@dataclass(frozen=True, slots=True)
class AccountState:
    """What the next steps depend on: invoices, disputes, watched limits, and the setup state."""

    invoices: Sequence[InvoiceListItem]
    disputes: Sequence[Dispute]
    watched: Sequence[MonitoredLimit]
    has_keys: bool
    has_calls: bool
    has_plan: bool
    agent_proposals: int = 0


def next_steps(state: AccountState, now: datetime, page_names: Collection[str]) -> list[Step]:
    """Return the account's next steps that lead to one of these pages, the most urgent first."""
    steps = [
        *(_payment_step(item, now) for item in state.invoices if _is_owed(item)),
        *(
            _dispute_reply_step(item)
            for item in state.disputes
            if dispute_status(item) == "waits_for_reply"
        ),
        *(
            _limit_step(item)
            for item in state.watched
            if item.used * 100 >= item.amount * _WARNING_PERCENT
        ),
    ]
    if state.agent_proposals:
        count = state.agent_proposals
        steps.append(Step("proposals", "/dashboard/agents", "warn", proposals=count))
    if not state.has_keys:
        steps.append(Step("first_key", "/dashboard/keys"))
    elif not state.has_calls:
        steps.append(Step("first_call", "/dashboard/playground"))
    if not state.has_plan:
        steps.append(Step("choose_plan", "/dashboard/plan"))
    return [step for step in steps if step.address.split("/")[2] in page_names]


def _is_owed(listed: InvoiceListItem) -> bool:
    """Return whether the invoice is open with an amount due."""
    return listed.invoice.status == InvoiceStatus.OPEN and listed.owed > 0


def _payment_step(listed: InvoiceListItem, now: datetime) -> Step:
    """Return the step to pay an open or overdue invoice."""
    late = listed.invoice.due_at is not None and listed.invoice.due_at < now
    address = f"/dashboard/invoices/{listed.to_json()['id']}"
    return Step("overdue" if late else "pay", address, "bad" if late else "", invoice=listed)


def _dispute_reply_step(dispute: Dispute) -> Step:
    """Return the step to reply to the operator's answer in a dispute."""
    settlement = ids.format_id(SETTLEMENT_PREFIX, dispute.settlement_id)
    address = f"/dashboard/outcomes/settlements/{settlement}#disputes"
    return Step("reply", address, "warn", dispute=dispute)


def _limit_step(limit: MonitoredLimit) -> Step:
    """Return the step for a limit that is nearly or fully used."""
    exhausted = limit.used >= limit.amount
    page = "plan" if limit.kind in ("allowance", "cap") else "limits"
    kind = "warn" if limit.kind == "allowance" or not exhausted else "bad"
    return Step("used_up" if exhausted else "nearly", f"/dashboard/{page}", kind, watched=limit)
