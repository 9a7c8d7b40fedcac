"""Outcomes: the contracts that are paid by effect, and one with its terms, effect and settlements.

Owns these pages, and agreeing to a version that was proposed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.profiles import currency_of, read_profile
from billing.dates import zone_of
from billing.invoice_documents.outcome_charge import SETTLEMENT_PREFIX, units_text
from billing.invoice_documents.price_format import percent
from billing.outcomes.contracts.agreement import Agreement, VersionClosed, VersionDiffers, agree
from billing.outcomes.contracts.baselines import BaselineMissesGates
from billing.outcomes.contracts.contracts import (
    PREFIX,
    StartsTooSoon,
    find_contract,
    hash_of,
    list_contracts,
    spans_of,
    terms_of,
    versions_of,
)
from billing.outcomes.contracts.parties import Party, Side
from billing.outcomes.contracts.terms import Measure, OutcomeTerms, OutcomeTermsInvalid, Share
from billing.outcomes.evidence.views import version_status
from billing.outcomes.settlement.read_model import (
    Settled,
    dispute_status,
    disputes_in,
    outcome_status,
    outcomes_of,
    settled_of,
)
from billing.outcomes.settlement.wording import price_text
from billing.tables import OutcomeContract, OutcomeVersion
from gateway.access.price_book import listed_terms
from gateway.dashboard.forms import EMPTY, Filled, fields_of, mistaken
from gateway.dashboard.labels import marked
from gateway.dashboard.page_request import INVALID, Viewing, place_of
from gateway.dashboard.pages.outcome_chart import Words, effect_chart, reports_of
from gateway.identity.audit_log import Actor, record
from gateway.identity.roles import Permission
from infra import ids
from infra.clock import Clock
from infra.database.database import Database
from models.catalog import Catalog

_SETTLEMENTS, _OUTCOMES, _DISPUTES = 12, 50, 20
_REFUSALS = (VersionDiffers, VersionClosed, StartsTooSoon, BaselineMissesGates, OutcomeTermsInvalid)


@dataclass(frozen=True, slots=True)
class Shown:
    """A contract by the version that matters now: the one in force, else the newest."""

    contract: OutcomeContract
    version: OutcomeVersion
    terms: OutcomeTerms
    status: str
    proposed: Sequence[tuple[OutcomeVersion, str]]

    @property
    def measured(self) -> bool:
        return isinstance(self.terms.kind, Measure)

    @property
    def shared(self) -> bool:
        """Whether a part of a saving is paid, rather than so much for each."""
        return isinstance(self.terms.price, Share)


class OutcomePages(Controller):
    """`/dashboard/outcomes`, `/dashboard/outcomes/contracts/…`."""

    path = "/outcomes"

    @get("/", name="dashboard:outcomes")
    async def contracts(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
    ) -> Response[str]:
        account_id, now = viewing.account_id, clock.now()
        async with database.transaction() as session:
            profile = await read_profile(session, account_id)
            rows = []
            for one in await list_contracts(session, account_id):
                last = await settled_of(session, account_id, one.id, 1)
                rows.append((await _shown(session, one, now), last))
            disputes = await disputes_in(session, account_id, _DISPUTES)
            currency = await currency_of(session, account_id)
        return viewing.page(
            "outcomes.html",
            rows=rows,
            disputes=[(one, dispute_status(one)) for one in disputes],
            currency=currency,
            zone=zone_of(profile.time_zone),
            prefix=SETTLEMENT_PREFIX,
        )

    @get("/contracts/{contract:str}", name="dashboard:contract")
    async def contract(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        contract: FromPath[str],
    ) -> Response[str]:
        return await _page(viewing, database, clock, contract, EMPTY, 200)

    @post("/contracts/{contract:str}/agree", permission=Permission.OUTCOMES)
    async def agree(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        catalog: NamedDependency[Catalog],
        contract: FromPath[str],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """To the very text that was shown, by its hash; a second yes changes nothing."""
        said, account_id = await fields_of(request), viewing.account_id
        number = said.get("version", "")
        to = Agreement(int(number) if number.isdecimal() else 0, said.get("hash", ""))
        party = Party(Side.CUSTOMER, viewing.viewer.email)
        by = Actor.of(viewing.viewer, place_of(request).address)
        try:
            async with database.transaction() as session:
                found = await find_contract(session, account_id, contract)
                currency = terms_of((await versions_of(session, account_id, found.id))[-1]).currency
                listed = listed_terms(catalog, currency)
                await agree(session, clock, account_id, found.id, to, party, listed)
                what = {"version": to.number, "hash": to.hash}
                await record(session, clock, by, account_id, "outcome.agreed", found.tag, what)
        except _REFUSALS as error:
            form = mistaken(viewing, {}, error)
            return await _page(viewing, database, clock, contract, form, INVALID)
        return viewing.go(f"/dashboard/outcomes/contracts/{ids.show(PREFIX, found.id)}")


async def _page(
    viewing: Viewing, database: Database, clock: Clock, name: str, form: Filled, status: int
) -> Response[str]:
    account_id, now = viewing.account_id, clock.now()
    async with database.transaction() as session:
        profile = await read_profile(session, account_id)
        found = await find_contract(session, account_id, name)
        shown = await _shown(session, found, now)
        settled = await settled_of(session, account_id, found.id, _SETTLEMENTS)
        outcomes = await outcomes_of(session, account_id, found.id, _OUTCOMES)
    chart = _chart(viewing, shown, settled)
    return viewing.page(
        "outcome.html",
        status=status,
        shown=shown,
        terms=shown.terms,
        settled=settled,
        report=reports_of(settled[0]) if settled else [],
        outcomes=[(one, outcome_status(one)) for one in outcomes],
        price=price_text(shown.terms, viewing.language),
        percent=percent,
        units=units_text,
        hash_of=hash_of,
        form=form,
        may=viewing.viewer.may(Permission.OUTCOMES),
        zone=zone_of(profile.time_zone),
        prefix=SETTLEMENT_PREFIX,
        settlement_id=lambda one: ids.show(SETTLEMENT_PREFIX, one.row.id),
        **({"charts": chart} if chart else {}),
    )


async def _shown(session: AsyncSession, contract: OutcomeContract, now: datetime) -> Shown:
    versions = await versions_of(session, contract.account_id, contract.id)
    spans = {span.version.id: span for span in spans_of(versions)}
    held = [span.version for span in spans.values() if span.holds(now)]
    version = (held or versions)[-1]
    statuses = [(one, version_status(one, spans.get(one.id), now)) for one in versions]
    return Shown(
        contract=contract,
        version=version,
        terms=terms_of(version),
        status=dict((one.id, status) for one, status in statuses)[version.id],
        proposed=[(one, status) for one, status in statuses if status == "proposed"],
    )


def _chart(viewing: Viewing, shown: Shown, settled: Sequence[Settled]) -> Any:
    if not isinstance(shown.terms.kind, Measure):
        return None
    words = Words(
        viewing.say(marked("Measured and expected, day by day")),
        viewing.say(marked("Measured")),
        viewing.say(marked("Expected without us")),
        viewing.say(marked("Lower edge of the band")),
        viewing.say(marked("Upper edge of the band")),
    )
    return effect_chart(settled, shown.terms.kind.unit, viewing.writing, words)
