"""The outcome contract pages: list, one contract with effect and settlements, and agreement."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.profiles import get_account_currency, get_profile
from billing.dates import parse_time_zone
from billing.invoice_documents.outcome_charge import SETTLEMENT_PREFIX, format_units
from billing.invoice_documents.price_format import format_percent
from billing.outcomes.contracts.agreement import (
    VersionClosed,
    VersionHashMismatch,
    VersionReference,
    agree_to_version,
)
from billing.outcomes.contracts.baselines import BaselineGatesNotMet
from billing.outcomes.contracts.contracts import (
    PREFIX,
    StartsTooSoon,
    find_contract,
    list_contracts,
    list_versions,
    version_hash,
    version_periods,
    version_terms,
)
from billing.outcomes.contracts.parties import Party, Side
from billing.outcomes.contracts.terms import (
    MeasuredEffect,
    OutcomeTerms,
    OutcomeTermsInvalid,
    SavingsShare,
)
from billing.outcomes.evidence.views import version_status
from billing.outcomes.settlement.read_model import (
    SettlementDetails,
    dispute_status,
    list_account_disputes,
    list_contract_outcomes,
    list_contract_settlements,
    outcome_status,
)
from billing.outcomes.settlement.wording import price_text
from billing.tables import OutcomeContract, OutcomeVersion
from gateway.access.price_book import catalog_price_terms
from gateway.dashboard.forms import EMPTY_FORM, FormState, read_form_fields, with_errors
from gateway.dashboard.page_request import UNPROCESSABLE, PageRequest
from gateway.dashboard.pages.outcome_chart import (
    EffectChartTexts,
    effect_chart,
    measurement_reports,
)
from gateway.identity.audit_log import record_audit_event
from gateway.identity.roles import Permission
from infra import ids
from infra.clock import Clock
from infra.database.database import Database
from infra.translations import gettext_noop
from models.catalog import Catalog

_MAX_SETTLEMENTS, _MAX_OUTCOMES, _MAX_DISPUTES = 12, 50, 20
_AGREEMENT_ERRORS = (
    VersionHashMismatch,
    VersionClosed,
    StartsTooSoon,
    BaselineGatesNotMet,
    OutcomeTermsInvalid,
)


@dataclass(frozen=True, slots=True)
class ContractView:
    """An outcome contract with its version in force, else its newest version."""

    contract: OutcomeContract
    version: OutcomeVersion
    terms: OutcomeTerms
    status: str
    proposed: Sequence[tuple[OutcomeVersion, str]]

    @property
    def measured(self) -> bool:
        """Whether the contract measures an effect instead of counting outcomes."""
        return isinstance(self.terms.kind, MeasuredEffect)

    @property
    def shared(self) -> bool:
        """Whether the price is a share of the saving instead of a price per outcome."""
        return isinstance(self.terms.price, SavingsShare)


class OutcomePages(Controller):
    """Handlers of `/dashboard/outcomes` and `/dashboard/outcomes/contracts`."""

    path = "/outcomes"

    @get("/", name="dashboard:outcomes")
    async def list_contracts(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
    ) -> Response[str]:
        """Show the account's outcome contracts."""
        account_id, now = page.account_id, clock.now()
        async with database.transaction() as session:
            profile = await get_profile(session, account_id)
            rows = []
            for one in await list_contracts(session, account_id):
                latest = await list_contract_settlements(session, account_id, one.id, 1)
                rows.append((await _contract_view(session, one, now), latest))
            disputes = await list_account_disputes(session, account_id, _MAX_DISPUTES)
            currency = await get_account_currency(session, account_id)
        return page.render(
            "outcomes.html",
            rows=rows,
            disputes=[(one, dispute_status(one)) for one in disputes],
            currency=currency,
            zone=parse_time_zone(profile.time_zone),
            prefix=SETTLEMENT_PREFIX,
        )

    @get("/contracts/{contract:str}", name="dashboard:contract")
    async def show_contract(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        contract: FromPath[str],
    ) -> Response[str]:
        """Show a contract with its versions and settlements."""
        return await _render_contract(page, database, clock, contract, EMPTY_FORM, 200)

    @post("/contracts/{contract:str}/agree", permission=Permission.OUTCOMES)
    async def agree_to_version(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        catalog: NamedDependency[Catalog],
        contract: FromPath[str],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Agree to the shown version by its hash; repeating it changes nothing."""
        fields, account_id = await read_form_fields(request), page.account_id
        number = fields.get("version", "")
        agreement = VersionReference(
            int(number) if number.isdecimal() else 0, fields.get("hash", "")
        )
        party = Party(Side.CUSTOMER, page.viewer.email)
        actor = page.actor
        try:
            async with database.transaction() as session:
                row = await find_contract(session, account_id, contract)
                currency = version_terms(
                    (await list_versions(session, account_id, row.id))[-1]
                ).currency
                listed = catalog_price_terms(catalog, currency)
                await agree_to_version(session, clock, account_id, row.id, agreement, party, listed)
                details = {"version": agreement.number, "hash": agreement.hash}
                await record_audit_event(
                    session, clock, actor, account_id, "outcome.agreed", row.tag, details
                )
        except _AGREEMENT_ERRORS as error:
            form = with_errors(page, {}, error)
            return await _render_contract(page, database, clock, contract, form, UNPROCESSABLE)
        return page.redirect(f"/dashboard/outcomes/contracts/{ids.format_id(PREFIX, row.id)}")


async def _render_contract(
    page: PageRequest, database: Database, clock: Clock, name: str, form: FormState, status: int
) -> Response[str]:
    """Render a contract's page, with the errors of the agreement form."""
    account_id, now = page.account_id, clock.now()
    async with database.transaction() as session:
        profile = await get_profile(session, account_id)
        row = await find_contract(session, account_id, name)
        view = await _contract_view(session, row, now)
        settled = await list_contract_settlements(session, account_id, row.id, _MAX_SETTLEMENTS)
        outcomes = await list_contract_outcomes(session, account_id, row.id, _MAX_OUTCOMES)
    chart = _effect_chart(page, view, settled)
    return page.render(
        "outcome.html",
        status=status,
        shown=view,
        terms=view.terms,
        settled=settled,
        report=measurement_reports(settled[0]) if settled else [],
        outcomes=[(one, outcome_status(one)) for one in outcomes],
        price=price_text(view.terms, page.language),
        percent=format_percent,
        units=format_units,
        hash_of=version_hash,
        form=form,
        may=page.viewer.has_permission(Permission.OUTCOMES),
        zone=parse_time_zone(profile.time_zone),
        prefix=SETTLEMENT_PREFIX,
        settlement_id=lambda one: ids.format_id(SETTLEMENT_PREFIX, one.row.id),
        **({"charts": chart} if chart else {}),
    )


async def _contract_view(
    session: AsyncSession, contract: OutcomeContract, now: datetime
) -> ContractView:
    """Load the versions of a contract and select the one to show."""
    versions = await list_versions(session, contract.account_id, contract.id)
    spans = {span.version.id: span for span in version_periods(versions)}
    in_force = [span.version for span in spans.values() if span.is_in_force(now)]
    version = (in_force or versions)[-1]
    statuses = [(each, version_status(each, spans.get(each.id), now)) for each in versions]
    return ContractView(
        contract=contract,
        version=version,
        terms=version_terms(version),
        status=dict((each.id, status) for each, status in statuses)[version.id],
        proposed=[(each, status) for each, status in statuses if status == "proposed"],
    )


def _effect_chart(
    page: PageRequest, view: ContractView, settled: Sequence[SettlementDetails]
) -> Any:
    """Build the chart of a contract with measurement, None for other contracts."""
    if not isinstance(view.terms.kind, MeasuredEffect):
        return None
    texts = EffectChartTexts(
        page.translate(gettext_noop("Actual and adjusted baseline by day")),
        page.translate(gettext_noop("Actual")),
        page.translate(gettext_noop("Adjusted baseline")),
        page.translate(gettext_noop("Lower bound")),
        page.translate(gettext_noop("Upper bound")),
    )
    return effect_chart(settled, view.terms.kind.unit, page.formatter, texts)
