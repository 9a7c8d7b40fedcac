"""The settlement pages: amounts and reasons of a contract's month, evidence bundle and disputes."""

import asyncio
from functools import partial
from typing import Any
from uuid import UUID

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from billing.accounts.profiles import get_profile
from billing.dates import parse_time_zone
from billing.invoice_documents.outcome_charge import SETTLEMENT_PREFIX, format_units
from billing.invoice_documents.price_format import format_percent
from billing.outcomes.contracts.terms import MeasuredEffect, SavingsShare
from billing.outcomes.settlement.amounts import CUSTOMER
from billing.outcomes.settlement.bundle import MEASURED_EFFECT_ID
from billing.outcomes.settlement.disputes import PREFIX as DISPUTE_PREFIX
from billing.outcomes.settlement.disputes import (
    DisputeInvalid,
    DisputeNotFound,
    DisputeStateInvalid,
    NewDispute,
    concede_dispute,
    disputable_effect_ids,
    get_dispute,
    open_dispute,
    reply_to_dispute,
)
from billing.outcomes.settlement.prediction_assessment import AssessedPeriod, assess_periods
from billing.outcomes.settlement.read_model import dispute_status, load_settlement_details
from billing.outcomes.settlement.settlement import SettlementNotFound, get_settlement
from billing.outcomes.settlement.statement import render_statement_csv, render_statement_pdf
from billing.outcomes.settlement.wording import price_text
from gateway.dashboard.forms import FormState, read_form_fields, restored_form, with_errors
from gateway.dashboard.page_request import UNPROCESSABLE, PageRequest
from gateway.dashboard.pages.outcome_chart import measurement_reports
from gateway.dashboard.prediction_labels import PREDICTION_WORDS
from gateway.dashboard.preserved_input import PreservedFields
from gateway.identity.audit_log import record_audit_event
from gateway.identity.roles import Permission
from infra import ids
from infra.clock import Clock
from infra.database.database import Database

_SETTLEMENTS = "/dashboard/outcomes/settlements"
_PRESERVED_FIELDS = PreservedFields(_SETTLEMENTS + "/{settlement}", ("outcome", "reason"))


class SettlementPages(Controller):
    """Handlers of `/dashboard/outcomes/settlements` and `/dashboard/outcomes/disputes`."""

    path = "/outcomes"

    @get("/settlements/{settlement:str}", name="dashboard:settlement")
    async def show_settlement(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        settlement: FromPath[str],
    ) -> Response[str]:
        """Show a settlement with its outcomes and disputes."""
        form = restored_form(page)
        return await _render_settlement(
            page, database, clock, _parse_settlement_id(settlement), form, 200
        )

    @get("/settlements/{settlement:str}/bundle.json", name="dashboard:bundle")
    async def download_bundle(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        settlement: FromPath[str],
    ) -> Response[bytes]:
        """Return the evidence bundle, byte for byte as the settlement's digest was computed."""
        settlement_id = _parse_settlement_id(settlement)
        async with database.transaction() as session:
            row = await get_settlement(session, page.account_id, settlement_id)
        headers = {"content-disposition": f'attachment; filename="{settlement}.json"'}
        return Response(row.bundle.encode(), media_type="application/json", headers=headers)

    @get("/settlements/{settlement:str}/statement.pdf", name="dashboard:statement-pdf")
    async def download_statement_pdf(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        settlement: FromPath[str],
    ) -> Response[bytes]:
        """Return the outcome statement as PDF in the page's language."""
        settlement_id = _parse_settlement_id(settlement)
        async with database.transaction() as session:
            row = await get_settlement(session, page.account_id, settlement_id)
        content = await asyncio.to_thread(
            render_statement_pdf, row.bundle, row.digest.hex(), page.language
        )
        headers = {"content-disposition": f'attachment; filename="{settlement}.pdf"'}
        return Response(content, media_type="application/pdf", headers=headers)

    @get("/settlements/{settlement:str}/statement.csv", name="dashboard:statement-csv")
    async def download_statement_csv(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        settlement: FromPath[str],
    ) -> Response[bytes]:
        """Return the outcome statement as CSV."""
        settlement_id = _parse_settlement_id(settlement)
        async with database.transaction() as session:
            row = await get_settlement(session, page.account_id, settlement_id)
        content = await asyncio.to_thread(render_statement_csv, row.bundle)
        headers = {"content-disposition": f'attachment; filename="{settlement}.csv"'}
        return Response(content, media_type="text/csv", headers=headers)

    @post(
        "/settlements/{settlement:str}/disputes",
        permission=Permission.OUTCOMES,
        keeps=_PRESERVED_FIELDS,
    )
    async def open_dispute(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        settlement: FromPath[str],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Dispute the settlement or some of its outcomes."""
        fields, settlement_id = await read_form_fields(request), _parse_settlement_id(settlement)
        outcome_ids = tuple(str(name) for name in (await request.form()).getall("outcome", []))
        actor = page.actor
        objection = NewDispute(page.viewer.email, fields.get("reason", ""), outcome_ids)
        try:
            async with database.transaction() as session:
                dispute = await open_dispute(
                    session, clock, page.account_id, settlement_id, objection
                )
                dispute_name, details = (
                    ids.format_id(DISPUTE_PREFIX, dispute.id),
                    {"settlement": settlement},
                )
                await record_audit_event(
                    session, clock, actor, page.account_id, "dispute.opened", dispute_name, details
                )
        except (DisputeInvalid, DisputeStateInvalid) as error:
            form = with_errors(page, {**fields, "outcome": "\n".join(outcome_ids)}, error)
            return await _render_settlement(
                page, database, clock, settlement_id, form, UNPROCESSABLE
            )
        return page.redirect(f"{_SETTLEMENTS}/{settlement}#disputes")

    @post("/disputes/{dispute:str}/reply", permission=Permission.OUTCOMES)
    async def reply_to_dispute(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        dispute: FromPath[str],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Reply to the operator's answer."""
        fields = await read_form_fields(request)
        dispute_id = _parse_dispute_id(dispute)
        actor = page.actor
        async with database.transaction() as session:
            settlement_id = (await get_dispute(session, page.account_id, dispute_id)).settlement_id
        try:
            async with database.transaction() as session:
                await reply_to_dispute(
                    session, clock, page.account_id, dispute_id, fields.get("reply", "")
                )
                await record_audit_event(
                    session, clock, actor, page.account_id, "dispute.replied", dispute
                )
        except (DisputeInvalid, DisputeStateInvalid) as error:
            form = with_errors(page, fields, error)
            return await _render_settlement(
                page, database, clock, settlement_id, form, UNPROCESSABLE
            )
        return page.redirect(
            f"{_SETTLEMENTS}/{ids.format_id(SETTLEMENT_PREFIX, settlement_id)}#disputes"
        )

    @post("/disputes/{dispute:str}/withdraw", permission=Permission.OUTCOMES)
    async def concede_dispute(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        dispute: FromPath[str],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Concede the dispute to the operator."""
        dispute_id = _parse_dispute_id(dispute)
        actor = page.actor
        async with database.transaction() as session:
            row = await get_dispute(session, page.account_id, dispute_id)
            if row.decided_at is None:  # else the form was sent twice, or the dispute is decided
                await concede_dispute(session, clock, page.account_id, dispute_id, CUSTOMER)
                await record_audit_event(
                    session, clock, actor, page.account_id, "dispute.withdrawn", dispute
                )
        name = ids.format_id(SETTLEMENT_PREFIX, row.settlement_id)
        return page.redirect(f"{_SETTLEMENTS}/{name}#disputes")


async def _render_settlement(
    page: PageRequest,
    database: Database,
    clock: Clock,
    settlement_id: UUID,
    form: FormState,
    status: int,
) -> Response[str]:
    """Render a settlement's page, with a form's errors."""
    account_id = page.account_id
    async with database.transaction() as session:
        profile = await get_profile(session, account_id)
        row = await get_settlement(session, account_id, settlement_id)
        settled = await load_settlement_details(session, row)
        disputable = await disputable_effect_ids(session, row, clock.now())
    terms = settled.terms
    return page.render(
        "settlement.html",
        status=status,
        settled=settled,
        row=row,
        terms=terms,
        shared=isinstance(terms.price, SavingsShare),
        measured=isinstance(terms.kind, MeasuredEffect),
        price=price_text(terms, page.language),
        report=measurement_reports(settled),
        periods=assess_periods(settled.bundle),
        reasons_of=partial(_failed_requirements, page),
        disputes=[
            (dispute, ids.format_id(DISPUTE_PREFIX, dispute.id), dispute_status(dispute))
            for dispute in settled.disputes
        ],
        disputable=disputable,
        whole=MEASURED_EFFECT_ID,
        percent=format_percent,
        units=format_units,
        form=form,
        may=page.viewer.has_permission(Permission.OUTCOMES),
        zone=parse_time_zone(profile.time_zone),
        settlement_id=ids.format_id(SETTLEMENT_PREFIX, row.id),
    )


def _failed_requirements(page: PageRequest, period: AssessedPeriod) -> str:
    """Return the requirements that a prediction period failed, in the page's language."""
    texts = PREDICTION_WORDS["prediction_failed"]
    return ", ".join(page.translate(texts[name]) for name in period.assessment.failed)


def _parse_settlement_id(text: str) -> UUID:
    """Parse a settlement id. Raises SettlementNotFound if it is invalid."""
    settlement_id = ids.parse_id(SETTLEMENT_PREFIX, text)
    if settlement_id is None:
        raise SettlementNotFound("The account has no such settlement.", param="settlement")
    return settlement_id


def _parse_dispute_id(text: str) -> UUID:
    """Parse a dispute id. Raises DisputeNotFound if it is invalid."""
    dispute_id = ids.parse_id(DISPUTE_PREFIX, text)
    if dispute_id is None:
        raise DisputeNotFound("The account has no such dispute.", param="dispute")
    return dispute_id
