"""Settlements: what a month of a contract came to and why, its evidence, and disputes about it."""

from typing import Any
from uuid import UUID

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from billing.accounts.profiles import read_profile
from billing.dates import zone_of
from billing.invoice_documents.outcome_charge import SETTLEMENT_PREFIX, units_text
from billing.invoice_documents.price_format import percent
from billing.outcomes.contracts.terms import Measure, Share
from billing.outcomes.settlement.amounts import CUSTOMER
from billing.outcomes.settlement.bundle import EFFECT
from billing.outcomes.settlement.disputes import PREFIX as DISPUTE_PREFIX
from billing.outcomes.settlement.disputes import (
    DisputeInvalid,
    DisputeNotFound,
    DisputeStateWrong,
    Objection,
    disputable_effects,
    get_dispute,
    give_in,
    open_dispute,
    reply,
)
from billing.outcomes.settlement.read_model import dispute_status, read_settled
from billing.outcomes.settlement.settlement import SettlementNotFound, get_settlement
from billing.outcomes.settlement.wording import price_text
from billing.tables import Dispute
from gateway.dashboard.forms import Filled, fields_of, kept_form, mistaken
from gateway.dashboard.keeping import Keeps
from gateway.dashboard.page_request import INVALID, Viewing, place_of
from gateway.dashboard.pages.outcome_chart import reports_of
from gateway.identity.audit_log import Actor, record
from gateway.identity.roles import Permission
from infra import ids
from infra.clock import Clock
from infra.database.database import Database

_SETTLEMENTS = "/dashboard/outcomes/settlements"
_KEEPS = Keeps(_SETTLEMENTS + "/{settlement}", ("outcome", "reason"))


class SettlementPages(Controller):
    """`/dashboard/outcomes/settlements/…`, `/dashboard/outcomes/disputes/…`."""

    path = "/outcomes"

    @get("/settlements/{settlement:str}", name="dashboard:settlement")
    async def settlement(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        settlement: FromPath[str],
    ) -> Response[str]:
        form = kept_form(viewing)
        return await _page(viewing, database, clock, _settlement_id(settlement), form, 200)

    @get("/settlements/{settlement:str}/bundle.json", name="dashboard:bundle")
    async def bundle(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        settlement: FromPath[str],
    ) -> Response[bytes]:
        """Byte for byte what the settlement's digest is of."""
        place = viewing.account_id, _settlement_id(settlement)
        async with database.transaction() as session:
            found = await get_settlement(session, *place)
        headers = {"content-disposition": f'attachment; filename="{settlement}.json"'}
        return Response(found.bundle.encode(), media_type="application/json", headers=headers)

    @post("/settlements/{settlement:str}/disputes", permission=Permission.OUTCOMES, keeps=_KEEPS)
    async def dispute(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        settlement: FromPath[str],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        said, identity = await fields_of(request), _settlement_id(settlement)
        named = tuple(str(one) for one in (await request.form()).getall("outcome", []))
        by = Actor.of(viewing.viewer, place_of(request).address)
        objection = Objection(viewing.viewer.email, said.get("reason", ""), named)
        place = viewing.account_id, identity
        try:
            async with database.transaction() as session:
                made = await open_dispute(session, clock, *place, objection)
                name, what = ids.show(DISPUTE_PREFIX, made.id), {"settlement": settlement}
                await record(session, clock, by, place[0], "dispute.opened", name, what)
        except (DisputeInvalid, DisputeStateWrong) as error:
            form = mistaken(viewing, {**said, "outcome": "\n".join(named)}, error)
            return await _page(viewing, database, clock, identity, form, INVALID)
        return viewing.go(f"{_SETTLEMENTS}/{settlement}#disputes")

    @post("/disputes/{dispute:str}/reply", permission=Permission.OUTCOMES)
    async def reply(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        dispute: FromPath[str],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        said, place = await fields_of(request), (viewing.account_id, _dispute_id(dispute))
        by = Actor.of(viewing.viewer, place_of(request).address)
        async with database.transaction() as session:
            about = (await get_dispute(session, *place)).settlement_id
        try:
            async with database.transaction() as session:
                await reply(session, clock, *place, said.get("reply", ""))
                await record(session, clock, by, place[0], "dispute.replied", dispute)
        except (DisputeInvalid, DisputeStateWrong) as error:
            form = mistaken(viewing, said, error)
            return await _page(viewing, database, clock, about, form, INVALID)
        return viewing.go(f"{_SETTLEMENTS}/{ids.show(SETTLEMENT_PREFIX, about)}#disputes")

    @post("/disputes/{dispute:str}/withdraw", permission=Permission.OUTCOMES)
    async def withdraw(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        dispute: FromPath[str],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Agree with the operator after all."""
        place = viewing.account_id, _dispute_id(dispute)
        by = Actor.of(viewing.viewer, place_of(request).address)
        async with database.transaction() as session:
            about = await get_dispute(session, *place)
            if about.decided_at is None:  # else it was sent twice, or decided meanwhile
                await give_in(session, clock, *place, CUSTOMER)
                await record(session, clock, by, place[0], "dispute.withdrawn", dispute)
        name = ids.show(SETTLEMENT_PREFIX, about.settlement_id)
        return viewing.go(f"{_SETTLEMENTS}/{name}#disputes")


async def _page(
    viewing: Viewing, database: Database, clock: Clock, identity: UUID, form: Filled, status: int
) -> Response[str]:
    account_id = viewing.account_id
    async with database.transaction() as session:
        profile = await read_profile(session, account_id)
        row = await get_settlement(session, account_id, identity)
        settled = await read_settled(session, row)
        disputable = await disputable_effects(session, row, clock.now())
    terms = settled.terms
    return viewing.page(
        "settlement.html",
        status=status,
        settled=settled,
        row=row,
        terms=terms,
        shared=isinstance(terms.price, Share),
        measured=isinstance(terms.kind, Measure),
        price=price_text(terms, viewing.language),
        report=reports_of(settled),
        disputes=[
            (one, ids.show(DISPUTE_PREFIX, one.id), dispute_status(one)) for one in settled.disputes
        ],
        disputable=disputable,
        whole=EFFECT,
        percent=percent,
        units=units_text,
        form=form,
        may=viewing.viewer.may(Permission.OUTCOMES),
        zone=zone_of(profile.time_zone),
        settlement_id=ids.show(SETTLEMENT_PREFIX, row.id),
    )


def _named(dispute: Dispute) -> tuple[Dispute, str, str]:
    """With its name and how it stands."""
    return dispute, ids.show(DISPUTE_PREFIX, dispute.id), dispute_status(dispute)


def _settlement_id(text: str) -> UUID:
    found = ids.parse(SETTLEMENT_PREFIX, text)
    if found is None:
        raise SettlementNotFound("The account has no such settlement.", param="settlement")
    return found


def _dispute_id(text: str) -> UUID:
    found = ids.parse(DISPUTE_PREFIX, text)
    if found is None:
        raise DisputeNotFound("The account has no such dispute.", param="dispute")
    return found
