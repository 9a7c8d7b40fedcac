"""The credit page: the account's limit in plain words, what raises it next, and past decisions."""

from datetime import datetime
from typing import Any

from litestar import Response, get
from litestar.di import NamedDependency

from billing.accounts.profiles import get_profile
from billing.credit.deposits import list_deposit_movements
from billing.credit.evaluation import list_decisions
from billing.credit.guarantees import guarantee_state
from billing.credit.views import load_standing
from billing.dates import parse_time_zone
from billing.rating.payment_terms import DEFAULT_DUNNING_POLICY
from billing.tables import CreditDecision
from gateway.dashboard.page_request import PageRequest
from infra.clock import Clock
from infra.database.database import Database

_MAX_DECISIONS = 30


@get("/credit", name="dashboard:credit")
async def show_credit(
    page: NamedDependency[PageRequest],
    database: NamedDependency[Database],
    clock: NamedDependency[Clock],
) -> Response[str]:
    """Show the account's credit."""
    account_id, now = page.account_id, clock.now()
    async with database.transaction() as session:
        standing = await load_standing(session, account_id, now)
        decisions = await list_decisions(session, account_id, _MAX_DECISIONS)
        movements = await list_deposit_movements(session, account_id)
        profile = await get_profile(session, account_id)
    return page.render(
        "credit.html",
        standing=standing,
        reasons=[] if standing.decision is None else _with_times(standing.decision),
        # Days on which nothing changed say nothing new.
        decisions=[
            (row, _with_times(row))
            for row in decisions
            if row.granted != row.previous or row.refusal or not row.business_key.startswith("day:")
        ],
        guarantees=[(row, guarantee_state(row, now)) for row in standing.guarantees],
        movements=movements,
        dunning=standing.terms.dunning or DEFAULT_DUNNING_POLICY,
        zone=parse_time_zone(profile.time_zone),
    )


def _with_times(row: CreditDecision) -> list[dict[str, Any]]:
    """Return the reasons of a decision, with the end of an override or guarantee as a time."""
    return [
        {**reason, "until": datetime.fromisoformat(reason["until"])}
        if "until" in reason
        else reason
        for reason in row.reasons
    ]
