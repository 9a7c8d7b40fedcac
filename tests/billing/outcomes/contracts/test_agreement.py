"""Agreement of a version by both parties before its start, and the end of a contract."""

import asyncio

import pytest
from sqlalchemy.exc import DBAPIError

from billing.outcomes.contracts.agreement import (
    ContractEndInvalid,
    VersionClosed,
    VersionHashMismatch,
)
from billing.outcomes.contracts.baselines import BaselineGatesNotMet, BaselineInvalid
from billing.outcomes.contracts.contracts import StartsTooSoon, version_hash
from billing.outcomes.contracts.parties import Party, Side, parse_side
from billing.outcomes.contracts.terms import OutcomeTermsInvalid
from billing.rating.price_kinds.per_unit import PerUnit
from billing.rating.terms import Allowance, Discount, PlanTerms
from billing.subscriptions.plans import is_listed, load_terms
from billing.tables import OutcomeVersion
from tests.support.billing.making import sql
from tests.support.outcomes.contract_texts import EVENT, MEASURE
from tests.support.outcomes.deals import CUSTOMER, FIT, OPERATOR, Deal

DECEMBER = EVENT.replace("2026-11-01", "2026-12-01")
NAMED = '\n[attribution]\nmodels = ["vib"]\noperations = ["infer"]\n'
COVERED = """
[[covered]]
model = "vib"
meter = "rows"
quantity = 1000

[[covered]]
model = "llm"
meter = "output_tokens"
quantity = 500
"""
HOLDOUT = """
design = "holdout"
machines = { having = ["M1"], lacking = ["M2"] }
"""
PLAN = """
plan = "small"
names = { en = "Small", zh = "小型版" }
currency = "CNY"
[[price]]
model = "vib"
meter = "rows"
price = "0.0007"
[[discount]]
percent = "10"
"""


async def epoch(deal: Deal) -> int:
    ((count,),) = await sql(deal.firm.story.database, "select count from access_epoch")
    return int(count)


async def covering(deal: Deal, version: OutcomeVersion) -> PlanTerms:
    assert version.plan_version_id is not None
    async with deal.firm.story.database.transaction() as session:
        terms = (await load_terms(session, [version.plan_version_id]))[version.plan_version_id]
        assert not await is_listed(session, terms.plan, terms.currency)
    return terms


class TestVersionAgreement:
    async def test_agreement_stores_party_and_time(self, deal: Deal) -> None:
        clock = deal.firm.story.clock
        version = await deal.proposed()
        first = clock.now()
        await deal.says_yes(version, CUSTOMER)
        clock.pass_(hours=1)
        agreed = await deal.says_yes(version, OPERATOR, version_hash(version).upper())
        assert (agreed.customer_agreed_by, agreed.customer_agreed_at) == ("key_1", first)
        assert (agreed.operator_agreed_by, agreed.operator_agreed_at) == ("Li Na", clock.now())

    async def test_repeated_agreement_changes_no_field(self, deal: Deal) -> None:
        version = await deal.agreed()
        deal.firm.story.clock.set(2026, 12, 1)
        again = await deal.says_yes(version, Party(Side.OPERATOR, "Other"))
        assert (again.operator_agreed_by, again.plan_version_id) == (
            "Li Na",
            version.plan_version_id,
        )

    async def test_agreement_with_another_hash_is_rejected(self, deal: Deal) -> None:
        version = await deal.proposed()
        with pytest.raises(VersionHashMismatch, match=version_hash(version)):
            await deal.says_yes(version, CUSTOMER, "0" * 64)

    async def test_agreement_at_the_start_or_later_is_rejected(self, deal: Deal) -> None:
        """Even if the other party agreed in time."""
        version = await deal.proposed()
        await deal.says_yes(version, CUSTOMER)
        deal.firm.story.clock.set(2026, 11, 1)
        with pytest.raises(StartsTooSoon):
            await deal.says_yes(version, OPERATOR)

    async def test_agreement_to_a_replaced_version_is_rejected(self, deal: Deal) -> None:
        version = await deal.proposed()
        await deal.agreed(DECEMBER)
        with pytest.raises(VersionClosed, match="newer"):
            await deal.says_yes(version, CUSTOMER)

    async def test_older_version_can_be_agreed_despite_a_newer_proposal(self, deal: Deal) -> None:
        version = await deal.proposed()
        await deal.proposed(DECEMBER)
        await deal.says_yes(version, CUSTOMER)
        assert (await deal.says_yes(version, OPERATOR)).plan_version_id is not None

    async def test_access_epoch_rises_with_the_second_agreement(self, deal: Deal) -> None:
        version = await deal.proposed()
        before = await epoch(deal)
        await deal.says_yes(version, CUSTOMER)
        assert await epoch(deal) == before
        await deal.says_yes(version, OPERATOR)
        assert await epoch(deal) == before + 1

    async def test_concurrent_agreements_of_both_parties_take_effect_once(self, deal: Deal) -> None:
        version = await deal.proposed()
        yes = (deal.says_yes(version, by) for by in (CUSTOMER, OPERATOR))
        agreed = await asyncio.gather(*yes)
        assert sum(one.plan_version_id is not None for one in agreed) == 1
        assert await deal.holds(version, 2026, 11, 1) == 1

    async def test_database_rejects_changes_of_an_agreement(self, deal: Deal) -> None:
        await deal.agreed()
        with pytest.raises(DBAPIError, match="customer_agreed_by of outcome_version stays"):
            await sql(
                deal.firm.story.database, "update outcome_version set customer_agreed_by = 'x'"
            )


class TestCoveredUsagePlan:
    async def test_covered_usage_has_list_prices_and_allowances(self, deal: Deal) -> None:
        terms = await covering(deal, await deal.agreed(EVENT + COVERED))
        assert terms.names == {"en": "Pumps", "zh": "水泵"}
        assert terms.price("vib", "rows") == PerUnit(1_000_000)
        assert terms.price("llm", "input_tokens") == PerUnit(500)
        assert terms.allowances == (
            Allowance("vib", "rows", 1000),
            Allowance("llm", "output_tokens", 500),
        )
        assert terms.fixed_fee == terms.minimum == 0

    async def test_covered_usage_has_the_plan_prices_at_the_agreement(self, deal: Deal) -> None:
        """The plan's prices at the agreement, not those at the proposal."""
        version = await deal.proposed(EVENT + COVERED)
        await deal.firm.subscribe(await deal.firm.story.plan(PLAN))
        await deal.says_yes(version, CUSTOMER)
        terms = await covering(deal, await deal.says_yes(version, OPERATOR))
        assert terms.price("vib", "rows") == PerUnit(700_000)
        assert terms.price("llm", "input_tokens") == PerUnit(500)
        assert terms.discounts == (Discount("vib", 100_000),)

    async def test_discount_of_a_model_overrides_the_plan_discount(self, deal: Deal) -> None:
        own = f'{PLAN}[[discount]]\nmodel = "vib"\npercent = "20"'
        await deal.firm.subscribe(await deal.firm.story.plan(own))
        terms = await covering(deal, await deal.agreed(EVENT + COVERED))
        assert terms.discounts == (Discount("vib", 200_000),)

    async def test_contract_without_covered_usage_has_no_prices_or_allowances(
        self, deal: Deal
    ) -> None:
        terms = await covering(deal, await deal.agreed())
        assert (terms.prices, terms.allowances) == ((), ())

    @pytest.mark.parametrize(
        ("text", "field"),
        [
            (COVERED.replace("vib", "nope"), "covered[0]"),
            (COVERED.replace("output_tokens", "rows"), "covered[1]"),
            (NAMED.replace("vib", "nope"), "attribution.models[0]"),
        ],
    )
    async def test_proposal_with_an_unpriced_model_or_meter_is_rejected(
        self, deal: Deal, text: str, field: str
    ) -> None:
        with pytest.raises(OutcomeTermsInvalid, match="has no price") as caught:
            await deal.proposed(EVENT + text)
        assert caught.value.param == field

    async def test_proposal_mixing_prices_with_and_without_tax_is_rejected(
        self, deal: Deal
    ) -> None:
        plan = await deal.firm.story.plan(f"tax_inclusive = true{PLAN}")
        await deal.firm.subscribe(plan)
        with pytest.raises(OutcomeTermsInvalid, match="either with or without tax"):
            await deal.proposed(EVENT + COVERED)


class TestVersionBaseline:
    async def test_baseline_changes_the_version_hash_to_agree_to(self, deal: Deal) -> None:
        version = await deal.proposed(MEASURE)
        fitted = await deal.fitted(version)
        assert (fitted.baseline, version_hash(fitted) != version_hash(version)) == (FIT, True)
        with pytest.raises(VersionHashMismatch):
            await deal.says_yes(version, CUSTOMER)
        await deal.says_yes(fitted, CUSTOMER)
        await deal.says_yes(fitted, OPERATOR)
        assert await deal.holds(version, 2026, 11, 1) == 1

    async def test_baseline_can_be_fitted_again_until_a_party_agrees(self, deal: Deal) -> None:
        version = await deal.fitted(await deal.proposed(MEASURE))
        better = await deal.fitted(version, FIT.replace("90}", "99}"))
        assert version_hash(better) != version_hash(version)
        await deal.says_yes(better, OPERATOR)
        assert better.baseline is not None
        assert (await deal.fitted(better, better.baseline)).baseline == better.baseline
        with pytest.raises(VersionClosed, match="Propose another"):
            await deal.fitted(better)
        with pytest.raises(DBAPIError, match="baseline of outcome_version stays"):
            await sql(deal.firm.story.database, "update outcome_version set baseline = '{}'")

    async def test_agreement_without_a_baseline_is_rejected(self, deal: Deal) -> None:
        version = await deal.proposed(MEASURE)
        with pytest.raises(BaselineGatesNotMet, match="no baseline yet"):
            await deal.says_yes(version, CUSTOMER)

    async def test_holdout_needs_a_baseline_and_switchback_does_not(self, deal: Deal) -> None:
        apart = await deal.proposed(MEASURE.replace('unit = "kWh"', f'unit = "kWh"{HOLDOUT}'))
        with pytest.raises(BaselineGatesNotMet, match="no baseline yet"):
            await deal.says_yes(apart, CUSTOMER)
        turns = 'unit = "kWh"\ndesign = "switchback"\nturns = {}'
        weeks = await deal.proposed(MEASURE.replace('unit = "kWh"', turns))
        assert (await deal.says_yes(weeks, CUSTOMER)).customer_agreed_at is not None

    @pytest.mark.parametrize(
        ("old", "new", "gate"),
        [
            ("250000", "250001", "cv_rmse"),
            ('100000,"missing', '100001,"missing', "nmbe"),
            ('_ppm":90000', '_ppm":100001', "missing"),
            ("90", "89", "days"),
        ],
    )
    async def test_baseline_that_fails_a_gate_cannot_be_agreed(
        self, deal: Deal, old: str, new: str, gate: str
    ) -> None:
        version = await deal.fitted(await deal.proposed(MEASURE), FIT.replace(old, new))
        with pytest.raises(
            BaselineGatesNotMet, match=r"the contract (allows at most|requires at least)"
        ) as caught:
            await deal.says_yes(version, CUSTOMER)
        assert caught.value.param == f"measure.gates.{gate}"

    @pytest.mark.parametrize(
        "text",
        ["", "[]", "{}", FIT.replace("90", "9.5"), FIT + " " * (1 << 20), FIT + "\0", "\ud800"],
    )
    async def test_invalid_baseline_text_is_rejected(self, deal: Deal, text: str) -> None:
        version = await deal.proposed(MEASURE)
        with pytest.raises(BaselineInvalid):
            await deal.fitted(version, text)


class TestContractEnd:
    async def test_end_stores_party_and_time(self, deal: Deal) -> None:
        clock = deal.firm.story.clock
        version = await deal.agreed()
        clock.set(2026, 11, 20)
        await deal.ended(version, OPERATOR, clock.at(2026, 12, 1))
        (kept,) = await deal.versions(version)
        assert (kept.ends_at, kept.ended_at) == (clock.at(2026, 12, 1), clock.now())
        assert kept.ended_by == "operator Li Na"
        assert parse_side(kept.ended_by) is Side.OPERATOR

    async def test_ended_contract_is_not_in_force_and_cannot_end_again(self, deal: Deal) -> None:
        version = await deal.agreed()
        deal.firm.story.clock.set(2026, 11, 20)
        await deal.ended(version)
        assert await deal.holds(version, 2026, 11, 20) is None
        with pytest.raises(ContractEndInvalid, match="already ends"):
            await deal.ended(version)

    async def test_access_epoch_rises_when_a_contract_ends(self, deal: Deal) -> None:
        version = await deal.agreed()
        before = await epoch(deal)
        await deal.ended(version, at=deal.firm.story.clock.at(2026, 12, 1))
        assert await epoch(deal) == before + 1

    async def test_end_in_the_past_is_rejected(self, deal: Deal) -> None:
        version = await deal.agreed()
        with pytest.raises(ContractEndInvalid, match="past"):
            await deal.ended(version, at=deal.firm.story.clock.at(2026, 9, 1))

    async def test_ended_contract_withdraws_proposed_versions(self, deal: Deal) -> None:
        """After one party ends the contract, the other cannot agree to an old proposal."""
        version = await deal.proposed()
        await deal.says_yes(version, CUSTOMER)
        await deal.ended(version, CUSTOMER)
        with pytest.raises(VersionClosed, match="withdrawn"):
            await deal.says_yes(version, OPERATOR)
        with pytest.raises(VersionClosed):
            await deal.fitted(version)
