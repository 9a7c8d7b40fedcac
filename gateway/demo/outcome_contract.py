"""The demo's outcome contract: baseline, agreement, readings, settlements and a dispute.

half a year of readings -> fit the baseline -> both sides agree -> weekly readings -> settlements
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

from billing.dates import add_year, local_day
from billing.outcomes.contracts.agreement import VersionReference, agree_to_version
from billing.outcomes.contracts.contract_file import parse_contract_toml
from billing.outcomes.contracts.contracts import PREFIX, propose_version, version_hash
from billing.outcomes.contracts.parties import Party, Side
from billing.outcomes.contracts.terms import AttesterKind, OutcomeTerms
from billing.outcomes.evidence.attesters import NewAttester, accept_attester, add_attester
from billing.outcomes.evidence.log import EvidenceKind, EvidenceSubmission, append_evidence
from billing.outcomes.evidence.signatures import (
    generate_key_pair,
    parse_public_key,
    parse_signature,
    sign,
    signing_message,
)
from billing.outcomes.settlement.baseline_fit import fit_version_baseline
from billing.outcomes.settlement.disputes import NewDispute, answer_dispute, open_dispute
from billing.rating.terms import Allowance
from billing.tables import OutcomeSettlement
from gateway.access.price_book import catalog_price_terms
from gateway.demo.calls import first_model
from gateway.demo.context import CURRENCY, DemoAccount, DemoDependencies
from gateway.demo.dates import SHANGHAI, at_hour
from gateway.demo.firms import OutcomeExample
from infra import ids

_CONTRACT_FILE = Path(__file__).with_name("contract.toml")
_BASELINE_DAYS = 210
_NOISE_KWH = 55.0
_READING_INTERVAL_DAYS = 7
_OPERATOR = Party(Side.OPERATOR, "顾问 林岚")
_DISPUTE_DELAY, _ANSWER_DELAY = timedelta(days=2), timedelta(days=4)


@dataclass
class DemoContract:
    """A contract in force, its meter's signing key, the next day to report, and its dispute."""

    account: DemoAccount
    example: OutcomeExample
    contract_id: UUID
    attester_id: UUID
    private_key: bytes
    next_reading_day: date
    dispute_id: UUID | None = None
    is_answered: bool = False


async def sign_contract(
    deps: DemoDependencies, account: DemoAccount, example: OutcomeExample
) -> DemoContract:
    """Propose the contract, fit its baseline to the meter's readings, and agree for both sides."""
    starts = deps.dates.first_month
    baseline_start = starts - timedelta(days=_BASELINE_DAYS)
    terms, listed = (
        _terms(deps, example, baseline_start),
        catalog_price_terms(deps.catalog, CURRENCY),
    )
    customer = Party(Side.CUSTOMER, next(iter(account.key_ids)))
    clock, account_id = deps.clock, account.account_id
    private_key, public = generate_key_pair()
    public_key = parse_public_key(public.decode())
    async with deps.database.transaction() as session:
        version = await propose_version(session, clock, account_id, terms, _OPERATOR, listed)
        contract_id = version.contract_id
        new_attester = NewAttester(AttesterKind.NEUTRAL_SENSOR, example.sensor, public_key)
        sensor = await add_attester(
            session, clock, account_id, contract_id, new_attester, _OPERATOR
        )
        await accept_attester(session, clock, account_id, sensor.id, customer)
        contract = DemoContract(
            account, example, contract_id, sensor.id, private_key, baseline_start
        )
        await _send_readings_until(session, deps, contract, local_day(clock.now(), SHANGHAI))
        fitted = await fit_version_baseline(session, clock, account_id, contract_id, version.number)
        version_reference = VersionReference(fitted.number, version_hash(fitted))
        for side in (_OPERATOR, customer):
            await agree_to_version(
                session, clock, account_id, contract_id, version_reference, side, listed
            )
    return contract


async def send_readings(deps: DemoDependencies, contract: DemoContract, today: date) -> None:
    """Send the meter's readings before today: weekly, and on the first of a month."""
    if (today - contract.next_reading_day).days >= _READING_INTERVAL_DAYS or today.day == 1:
        async with deps.database.transaction() as session:
            await _send_readings_until(session, deps, contract, today)


async def dispute_second_month(deps: DemoDependencies, contract: DemoContract) -> None:
    """Dispute the second month two days after its settlement; answer the dispute two days later."""
    account_id, now = contract.account.account_id, deps.clock.now()
    async with deps.database.transaction() as session:
        settlement = await _second_month_settlement(session, deps, account_id)
        if settlement is None or contract.is_answered:
            return
        if contract.dispute_id is None and now >= settlement.made_at + _DISPUTE_DELAY:
            objection = NewDispute(contract.account.firm.users[0].name, contract.example.objection)
            contract.dispute_id = (
                await open_dispute(session, deps.clock, account_id, settlement.id, objection)
            ).id
        elif contract.dispute_id is not None and now >= settlement.made_at + _ANSWER_DELAY:
            await answer_dispute(
                session, deps.clock, account_id, contract.dispute_id, contract.example.answer
            )
            contract.is_answered = True


async def _second_month_settlement(
    session: AsyncSession, deps: DemoDependencies, account_id: UUID
) -> OutcomeSettlement | None:
    """Return the settlement of the second month, None before it is made."""
    query = select(OutcomeSettlement).where(
        col(OutcomeSettlement.account_id) == account_id,
        col(OutcomeSettlement.starts_at) == at_hour(deps.dates.second_month, 0),
    )
    return (await session.scalars(query)).one_or_none()


def _terms(deps: DemoDependencies, example: OutcomeExample, baseline_start: date) -> OutcomeTerms:
    """Return the contract terms from contract.toml, with this demo's dates and models."""
    starts = deps.dates.first_month
    values = {
        "tag": example.tag,
        "sensor": example.sensor,
        "before": baseline_start,
        "starts": starts,
        "ends": add_year(starts),
    }
    terms = parse_contract_toml(Template(_CONTRACT_FILE.read_text("utf-8")).substitute(values))
    models = {
        first_model(deps.catalog, *model_key): quantity
        for model_key, quantity in example.allowances.items()
    }
    allowances = (Allowance(model, "rows", units) for model, units in models.items() if model)
    return replace(terms, covered=tuple(allowances))


async def _send_readings_until(
    session: AsyncSession, deps: DemoDependencies, contract: DemoContract, until: date
) -> None:
    """Sign and send the readings of the days before `until` that were not sent yet."""
    days = [
        contract.next_reading_day + timedelta(days=offset)
        for offset in range((until - contract.next_reading_day).days)
    ]
    if not days:
        return
    body = _readings_csv(contract.example, days, deps.dates.first_month).encode()
    contract_id, kind = ids.format_id(PREFIX, contract.contract_id), EvidenceKind.READINGS
    signature = parse_signature(
        sign(contract.private_key, signing_message(contract_id, kind, body))
    )
    submission = EvidenceSubmission(contract.attester_id, kind, body, signature)
    await append_evidence(
        session, deps.clock, contract.account.account_id, contract.contract_id, submission
    )
    contract.next_reading_day = until


def _readings_csv(example: OutcomeExample, days: Iterable[date], starts: date) -> str:
    """Return daily meter readings as CSV; consumption is lower from the contract's start on."""
    rows = ["at,value,unit,water"]
    for day in days:
        rng = Random(f"{example.tag} {day}")  # noqa: S311  # reproducible on purpose
        pumped_m3 = round(rng.randint(*example.daily_m3) * (0.93 if day.weekday() > 4 else 1.0))
        kwh = example.base_kwh + example.kwh_per_m3 * pumped_m3 + rng.gauss(0, _NOISE_KWH)
        kwh *= 1 - example.savings_fraction if day >= starts else 1
        rows.append(f"{day},{kwh:.1f},kWh,{pumped_m3}")
    return "\n".join(rows)
