"""Effects: a contract that is paid by what it saves, from the baseline to a dispute.

half a year's readings -> fit -> both sides agree -> readings every week -> settled months
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from random import Random
from string import Template
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.dates import day_of, year_later
from billing.outcomes.contracts.agreement import Agreement, agree
from billing.outcomes.contracts.contract_file import read_contract_file
from billing.outcomes.contracts.contracts import PREFIX, hash_of, propose
from billing.outcomes.contracts.parties import Party, Side
from billing.outcomes.contracts.terms import AttesterKind, OutcomeTerms
from billing.outcomes.evidence.attesters import NewAttester, accept_attester, add_attester
from billing.outcomes.evidence.log import EvidenceKind, Said, record
from billing.outcomes.evidence.signatures import (
    make_keys,
    message_of,
    read_public_key,
    read_signature,
    sign,
)
from billing.outcomes.settlement.baseline_fit import fit_version
from billing.outcomes.settlement.disputes import Objection, answer, open_dispute
from billing.rating.terms import Allowance
from billing.tables import OutcomeSettlement
from gateway.access.price_book import listed_terms
from gateway.demo.calls import model_of
from gateway.demo.dates import SHANGHAI, at_hour
from gateway.demo.firms import Effect
from gateway.demo.opened import CURRENCY, Opened, Tools
from infra import ids

_FILE = Path(__file__).with_name("contract.toml")
_BEFORE_DAYS = 210
_NOISE_KWH = 55.0
_A_WEEK = 7
_OPERATOR = Party(Side.OPERATOR, "顾问 林岚")
_LOOKED_AFTER, _ANSWERED_AFTER = timedelta(days=2), timedelta(days=4)


@dataclass
class Agreed:
    """A contract in force, its meter with the key that it signs by, the day from which on readings
    are to be sent, and the dispute about its second month."""

    one: Opened
    effect: Effect
    contract_id: UUID
    attester_id: UUID
    private: bytes
    unsent: date
    dispute_id: UUID | None = None
    answered: bool = False


async def agree_contract(tools: Tools, one: Opened, effect: Effect) -> Agreed:
    """Propose it, let the meter tell of the time before, fit, and let both sides say yes."""
    starts = tools.dates.first
    before = starts - timedelta(days=_BEFORE_DAYS)
    terms, listed = _terms(tools, effect, before), listed_terms(tools.catalog, CURRENCY)
    customer = Party(Side.CUSTOMER, next(iter(one.keys)))
    clock, account_id = tools.clock, one.account_id
    private, public = make_keys()
    key = read_public_key(public.decode())
    async with tools.database.transaction() as session:
        place = (session, clock, account_id)
        version = await propose(*place, terms, _OPERATOR, listed)
        new = NewAttester(AttesterKind.NEUTRAL_SENSOR, effect.sensor, key)
        sensor = await add_attester(*place, version.contract_id, new, _OPERATOR)
        await accept_attester(*place, sensor.id, customer)
        agreed = Agreed(one, effect, version.contract_id, sensor.id, private, before)
        await _send(session, tools, agreed, day_of(clock.now(), SHANGHAI))
        fitted = await fit_version(*place, version.contract_id, version.number)
        to = Agreement(fitted.number, hash_of(fitted))
        for side in (_OPERATOR, customer):
            await agree(*place, version.contract_id, to, side, listed)
    return agreed


async def send_readings(tools: Tools, agreed: Agreed, today: date) -> None:
    """What the meter said up to today: once a week, and when a month is over."""
    if (today - agreed.unsent).days >= _A_WEEK or today.day == 1:
        async with tools.database.transaction() as session:
            await _send(session, tools, agreed, today)


async def argue(tools: Tools, agreed: Agreed) -> None:
    """Dispute the second month two days after it was settled; we answer two days later."""
    account_id, now = agreed.one.account_id, tools.clock.now()
    async with tools.database.transaction() as session:
        place = (session, tools.clock, account_id)
        settlement = await _of_second_month(session, tools, account_id)
        if settlement is None or agreed.answered:
            return
        if agreed.dispute_id is None and now >= settlement.made_at + _LOOKED_AFTER:
            said = Objection(agreed.one.firm.people[0].name, agreed.effect.objection)
            agreed.dispute_id = (await open_dispute(*place, settlement.id, said)).id
        elif agreed.dispute_id is not None and now >= settlement.made_at + _ANSWERED_AFTER:
            await answer(*place, agreed.dispute_id, agreed.effect.answer)
            agreed.answered = True


async def _of_second_month(
    session: AsyncSession, tools: Tools, account_id: UUID
) -> OutcomeSettlement | None:
    query = select(OutcomeSettlement).where(
        col(OutcomeSettlement.account_id) == account_id,
        col(OutcomeSettlement.starts_at) == at_hour(tools.dates.second, 0),
    )
    return (await session.scalars(query)).one_or_none()


def _terms(tools: Tools, effect: Effect, before: date) -> OutcomeTerms:
    starts = tools.dates.first
    values = {
        "tag": effect.tag,
        "sensor": effect.sensor,
        "before": before,
        "starts": starts,
        "ends": year_later(starts),
    }
    terms = read_contract_file(Template(_FILE.read_text("utf-8")).substitute(values))
    models = {
        model_of(tools.catalog, *which): quantity for which, quantity in effect.covered.items()
    }
    covered = (Allowance(model, "rows", units) for model, units in models.items() if model)
    return replace(terms, covered=tuple(covered))


async def _send(session: AsyncSession, tools: Tools, agreed: Agreed, until: date) -> None:
    """Sign and send the days before `until` that were not sent yet."""
    days = [agreed.unsent + timedelta(days=at) for at in range((until - agreed.unsent).days)]
    if not days:
        return
    body = _csv(agreed.effect, days, tools.dates.first).encode()
    contract, kind = ids.show(PREFIX, agreed.contract_id), EvidenceKind.READINGS
    signature = read_signature(sign(agreed.private, message_of(contract, kind, body)))
    said = Said(agreed.attester_id, kind, body, signature)
    await record(session, tools.clock, agreed.one.account_id, agreed.contract_id, said)
    agreed.unsent = until


def _csv(effect: Effect, days: Iterable[date], starts: date) -> str:
    """What the meter reads, a day a row: less power from the contract's start on."""
    rows = ["at,value,unit,water"]
    for day in days:
        dice = Random(f"{effect.tag} {day}")  # noqa: S311  # the same each time is what is wanted
        water = round(dice.randint(*effect.m3) * (0.93 if day.weekday() > 4 else 1.0))
        kwh = effect.base_kwh + effect.kwh_per_m3 * water + dice.gauss(0, _NOISE_KWH)
        kwh *= 1 - effect.saved if day >= starts else 1
        rows.append(f"{day},{kwh:.1f},kWh,{water}")
    return "\n".join(rows)
