"""Next steps: what somebody should do now, by how the account stands.

Owns which steps there are and their order: what is owed, what waits for a reply, what is nearly
used up, what is not set up yet. Pure; a step to a page that the person may not open is left out.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from billing.invoice_documents.invoice_list import Listed
from billing.invoice_documents.outcome_charge import SETTLEMENT_PREFIX
from billing.notifications.watched_limits import Watched
from billing.outcomes.settlement.read_model import dispute_status
from billing.tables import Dispute, InvoiceStatus
from infra import ids

_NEAR = 80  # percent


@dataclass(frozen=True, slots=True)
class Step:
    """Something to do: which (a name that the template has words for), where, how pressing, and
    what of."""

    name: str
    address: str
    kind: str = ""
    invoice: Listed | None = None
    watched: Watched | None = None
    dispute: Dispute | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """How an account stands: its newest invoices and disputes, what is watched, what it has."""

    invoices: Sequence[Listed]
    disputes: Sequence[Dispute]
    watched: Sequence[Watched]
    has_keys: bool
    has_calls: bool
    has_plan: bool


def next_steps(standing: Standing, now: datetime, pages: Collection[str]) -> list[Step]:
    """The steps that lead to one of these pages, the most pressing first."""
    found = [
        *(_owed(one, now) for one in standing.invoices if _is_owed(one)),
        *(_asked(one) for one in standing.disputes if dispute_status(one) == "waits_for_reply"),
        *(_nearly(one) for one in standing.watched if one.used * 100 >= one.amount * _NEAR),
    ]
    if not standing.has_keys:
        found.append(Step("first_key", "/dashboard/keys"))
    elif not standing.has_calls:
        found.append(Step("first_call", "/dashboard/playground"))
    if not standing.has_plan:
        found.append(Step("choose_plan", "/dashboard/plan"))
    return [step for step in found if step.address.split("/")[2] in pages]


def _is_owed(one: Listed) -> bool:
    return one.invoice.status == InvoiceStatus.OPEN and one.owed > 0


def _owed(one: Listed, now: datetime) -> Step:
    late = one.invoice.due_at is not None and one.invoice.due_at < now
    address = f"/dashboard/invoices/{one.to_json()['id']}"
    return Step("overdue" if late else "pay", address, "bad" if late else "", invoice=one)


def _asked(one: Dispute) -> Step:
    settlement = ids.show(SETTLEMENT_PREFIX, one.settlement_id)
    address = f"/dashboard/outcomes/settlements/{settlement}#disputes"
    return Step("reply", address, "warn", dispute=one)


def _nearly(one: Watched) -> Step:
    full = one.used >= one.amount
    page = "plan" if one.kind in ("allowance", "cap") else "limits"
    kind = "warn" if one.kind == "allowance" or not full else "bad"
    return Step("used_up" if full else "nearly", f"/dashboard/{page}", kind, watched=one)
