"""Demand: upper bounds of a call's quota units, and demands shortened to fit available units."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.rating.quantities import (
    METERS,
    NON_TOKEN_METERS,
    Quantities,
    call_cost,
    rate,
    units_by_meter,
)
from billing.tables import QuotaKind
from gateway.quota.allowance import apply_allowances, covered_units_by_meter
from gateway.quota.demand import Demand, worst_case_cost
from tests.support.gateway.quotas import ALL, allowance, quota

TEXT = {"input_tokens": 500, "cached_input_tokens": 100, "output_tokens": 2000}
PRICES = {**TEXT, "rows": 7, "images": 30, "adaptation_seconds": 11}
COUNTS = st.integers(0, 10_000)
OWN, SHARED = allowance("output_tokens"), allowance("output_tokens", "*")
READ, CACHED = allowance("input_tokens"), allowance("cached_input_tokens")
INCLUDED = (READ, CACHED, OWN, SHARED, *(allowance(meter, "*") for meter in NON_TOKEN_METERS))
SOME_PRICES = st.dictionaries(
    st.sampled_from(sorted(PRICES)), st.integers(0, 5_000), max_size=len(PRICES)
)
DEMANDS = st.builds(
    Demand,
    input_tokens=COUNTS,
    output_tokens=COUNTS,
    min_output_tokens=st.integers(0, 100),
    non_token_units=st.builds(
        Quantities, **{meter: st.integers(0, 50) for meter in NON_TOKEN_METERS}
    ),
    streams=st.integers(0, 1),
    requests=st.integers(0, 1),
    prices=SOME_PRICES,
    quotas=st.just(ALL),
    allowances=st.sampled_from(((), INCLUDED, INCLUDED[3:])),
)
CHAT = Demand(
    input_tokens=10,
    output_tokens=100,
    min_output_tokens=16,
    streams=1,
    requests=1,
    prices=TEXT,
    quotas=ALL,
)
PLENTY = dict.fromkeys((one.id for one in ALL), 10**9)


@st.composite
def within(draw: st.DrawFn, demand: Demand) -> Quantities:
    """Usage of a call within this demand."""
    units = {meter: draw(st.integers(0, demand.max_quantities.get(meter))) for meter in METERS}
    cached = draw(st.integers(0, units["input_tokens"]))
    return Quantities(**{**units, "cached_input_tokens": cached})


@st.composite
def situations(draw: st.DrawFn, slack: int) -> tuple[Demand, dict[str, int]]:
    """A demand and available units: from `slack` above its minimum to more than its maximum."""
    demand = draw(DEMANDS)
    included = {one.id: draw(st.sampled_from((0, 0, 3)) | COUNTS) for one in demand.allowances}
    least, whole = (
        demand.with_min_output.with_allowances(included).units_by_kind,
        demand.with_allowances(included).units_by_kind,
    )
    return demand, included | {
        one.id: draw(st.integers(least[one.kind] + slack, whole[one.kind] + 3)) for one in ALL
    }


def free(**amounts: int) -> dict[str, int]:
    return {**PLENTY, **{quota(QuotaKind[name]).id: units for name, units in amounts.items()}}


class TestMaxCost:
    def test_max_cost_sums_all_meters(self) -> None:
        most = Quantities(10, None, 100, rows=3, images=2, adaptation_seconds=90)
        assert worst_case_cost(most, PRICES) == 10 * 500 + 100 * 2000 + 3 * 7 + 2 * 30 + 90 * 11

    def test_max_cost_uses_cached_price_if_higher(self) -> None:
        prices = {"input_tokens": 5, "cached_input_tokens": 9}
        assert worst_case_cost(Quantities(input_tokens=10), prices) == 90

    def test_max_cost_without_cached_price_uses_input_price(self) -> None:
        assert worst_case_cost(Quantities(input_tokens=10), {"input_tokens": 5}) == 50

    @given(DEMANDS, st.data())
    def test_usage_within_demand_costs_at_most_max_cost(
        self, demand: Demand, data: st.DataObject
    ) -> None:
        consumed = data.draw(within(demand))
        assert rate(consumed, demand.prices) <= worst_case_cost(
            demand.max_quantities, demand.prices
        )


class TestQuotaUnits:
    def test_demand_lists_units_of_each_quota_kind(self) -> None:
        assert {one.kind: units for one, units in CHAT.quota_units} == {
            QuotaKind.CREDIT: 205_000,
            QuotaKind.BUDGET: 205_000,
            QuotaKind.REQUESTS: 1,
            QuotaKind.TOKENS: 110,
            QuotaKind.STREAMS: 1,
        }

    def test_quotas_without_needed_units_are_omitted(self) -> None:
        plain = replace(CHAT, streams=0, prices={})
        assert [one.kind for one, _ in plain.quota_units] == [QuotaKind.REQUESTS, QuotaKind.TOKENS]

    def test_minimum_demand_has_minimum_output_tokens(self) -> None:
        assert CHAT.with_min_output == replace(CHAT, output_tokens=16)
        short = replace(CHAT, output_tokens=3)
        assert short.with_min_output == short


class TestNonTokenDemand:
    """12 images at 30 and 90 seconds at 11 nano-units: 360 and 990."""

    CALL = replace(
        CHAT,
        input_tokens=0,
        output_tokens=0,
        streams=0,
        prices=PRICES,
        non_token_units=Quantities(images=12, adaptation_seconds=90),
    )

    def test_max_cost_sums_images_and_seconds(self) -> None:
        assert self.CALL.max_cost_nano == 12 * 30 + 90 * 11
        assert self.CALL.units_by_kind[QuotaKind.TOKENS] == 0

    def test_non_token_demand_is_not_shortened(self) -> None:
        assert self.CALL.shortened_to_fit(free(CREDIT=1_350)) == self.CALL
        assert self.CALL.shortened_to_fit(free(CREDIT=1_349)) is None
        assert self.CALL.shortened_to_cost(1_349) is None

    def test_included_seconds_are_free(self) -> None:
        seconds = allowance("adaptation_seconds")
        covered = replace(self.CALL, allowances=(seconds,)).with_allowances({seconds.id: 600})
        assert (covered.allowance_use, covered.max_cost_nano) == (((seconds, 90),), 12 * 30)


class TestShorteningToAvailableUnits:
    def test_demand_within_available_units_is_unchanged(self) -> None:
        assert CHAT.shortened_to_fit(PLENTY) == CHAT

    @pytest.mark.parametrize(
        ("amounts", "output"),
        [
            ({"CREDIT": 205_000}, 100),
            ({"CREDIT": 204_999}, 99),
            ({"BUDGET": 5_000 + 20 * 2_000}, 20),
            ({"TOKENS": 10 + 30}, 30),
            ({"TOKENS": 10 + 30, "CREDIT": 5_000 + 20 * 2_000}, 20),
            ({"CREDIT": 5_000 + 16 * 2_000}, 16),
        ],
    )
    def test_output_is_shortened_to_the_scarcest_quota(
        self, amounts: dict[str, int], output: int
    ) -> None:
        assert CHAT.shortened_to_fit(free(**amounts)) == replace(CHAT, output_tokens=output)

    @pytest.mark.parametrize(
        "amounts",
        [{"CREDIT": 5_000 + 16 * 2_000 - 1}, {"TOKENS": 25}, {"REQUESTS": 0}, {"STREAMS": 0}],
    )
    def test_available_units_below_minimum_return_none(self, amounts: dict[str, int]) -> None:
        assert CHAT.shortened_to_fit(free(**amounts)) is None

    def test_free_output_is_not_shortened_by_credit(self) -> None:
        gratis = replace(CHAT, prices={"input_tokens": 500})
        assert gratis.shortened_to_fit(free(CREDIT=5_000)) == gratis

    def test_output_without_minimum_is_shortened_to_fit(self) -> None:
        """A quota of which the minimum needs no units can still limit a longer output."""
        answer = replace(CHAT, input_tokens=0, min_output_tokens=0)
        assert answer.shortened_to_fit(free(TOKENS=5)) == replace(answer, output_tokens=5)

    @given(situations(slack=0))
    def test_shortened_demand_fits_available_units(
        self, situation: tuple[Demand, dict[str, int]]
    ) -> None:
        demand, available = situation
        fitting = demand.shortened_to_fit(available)
        assert fitting is not None
        assert all(units <= available[one.id] for one, units in fitting.quota_units)
        assert demand.with_min_output.output_tokens <= fitting.output_tokens <= demand.output_tokens

    @given(situations(slack=0))
    def test_shortened_output_is_the_longest_that_fits(
        self, situation: tuple[Demand, dict[str, int]]
    ) -> None:
        demand, available = situation
        fitting = demand.shortened_to_fit(available)
        assert fitting is not None
        longer = replace(fitting, output_tokens=fitting.output_tokens + 1)
        assert longer.output_tokens > demand.output_tokens or any(
            units > available[one.id] for one, units in longer.quota_units
        )

    @given(situations(slack=-3))
    def test_shortening_returns_none_only_if_minimum_does_not_fit(
        self, situation: tuple[Demand, dict[str, int]]
    ) -> None:
        demand, available = situation
        least, parts = (
            demand.with_min_output.with_allowances(available).units_by_kind,
            demand.quota_units,
        )
        fits = all(least[one.kind] <= max(0, available[one.id]) for one, _ in parts)
        assert (demand.shortened_to_fit(available) is not None) == fits


class TestDemandWithAllowances:
    """100 output tokens at 2000, 10 input tokens at 500 or, cached, at 100."""

    def test_included_units_reduce_max_cost(self) -> None:
        chat = replace(CHAT, allowances=(OWN, SHARED))
        covered = chat.with_allowances({OWN.id: 30, SHARED.id: 500})
        assert covered.allowance_use == ((OWN, 30), (SHARED, 70))
        assert covered.max_cost_nano == 10 * 500
        assert dict(covered.quota_units) == {
            quota(QuotaKind.CREDIT): 5_000,
            quota(QuotaKind.BUDGET): 5_000,
            quota(QuotaKind.REQUESTS): 1,
            quota(QuotaKind.TOKENS): 110,
            quota(QuotaKind.STREAMS): 1,
            OWN: 30,
            SHARED: 70,
        }

    def test_max_cost_assumes_the_dearer_of_cached_and_uncached_input(self) -> None:
        chat = replace(CHAT, output_tokens=0, allowances=(READ, CACHED))
        assert chat.with_allowances({READ.id: 10}).max_cost_nano == 10 * 100
        assert chat.with_allowances({CACHED.id: 10}).max_cost_nano == 10 * 500
        assert chat.with_allowances({READ.id: 4, CACHED.id: 9}).max_cost_nano == 6 * 500
        assert chat.with_allowances({READ.id: 99, CACHED.id: 99}).max_cost_nano == 0

    def test_cached_tokens_without_own_price_use_no_allowance(self) -> None:
        chat = replace(CHAT, prices={"input_tokens": 500}, allowances=(READ, CACHED))
        assert chat.with_allowances({READ.id: 99, CACHED.id: 99}).allowance_use == ((READ, 10),)

    def test_fully_included_demand_fits_negative_credit(self) -> None:
        """The available credit is negative and the call needs none of it."""
        chat = replace(CHAT, prices={"output_tokens": 2000}, allowances=(OWN,))
        fitting = chat.shortened_to_fit(free(CREDIT=-7) | {OWN.id: 100})
        assert fitting == chat.with_allowances({OWN.id: 100})
        assert chat.shortened_to_fit(free(CREDIT=-7) | {OWN.id: 50}) == replace(
            chat, output_tokens=50, allowance_use=((OWN, 50),)
        )
        assert chat.shortened_to_fit(free(CREDIT=-7) | {OWN.id: 15}) is None

    def test_partly_included_output_is_limited_by_credit(self) -> None:
        """50 tokens are included, and the credit pays for 7 more."""
        chat = replace(CHAT, prices={"output_tokens": 2000}, allowances=(OWN,))
        fitting = chat.shortened_to_fit(free(CREDIT=7 * 2000) | {OWN.id: 50})
        assert fitting is not None
        assert (fitting.output_tokens, fitting.max_cost_nano) == (57, 7 * 2000)

    @given(DEMANDS, st.data())
    def test_usage_after_allowances_costs_at_most_max_cost(
        self, demand: Demand, data: st.DataObject
    ) -> None:
        """For any part of the covered units that the call consumes."""
        free = {one.id: data.draw(COUNTS) for one in demand.allowances}
        held = demand.with_allowances(free)
        consumed = data.draw(within(demand))
        units = {one.id: amount for one, amount in held.allowance_use}
        taken = apply_allowances(units_by_meter(consumed, demand.prices), demand.allowances, units)
        assert (
            call_cost(consumed, demand.prices, covered_units_by_meter(taken)) <= held.max_cost_nano
        )


class TestShorteningToCost:
    def test_demand_within_cost_limit_is_unchanged(self) -> None:
        assert CHAT.shortened_to_cost(205_000) == CHAT

    def test_output_is_shortened_to_cost_limit(self) -> None:
        assert CHAT.shortened_to_cost(5_000 + 20 * 2_000 + 1) == replace(CHAT, output_tokens=20)

    def test_included_units_extend_output_within_cost_limit(self) -> None:
        chat = replace(CHAT, allowances=(OWN,)).with_allowances({OWN.id: 50})
        assert chat.shortened_to_cost(5_000 + 20 * 2_000) == replace(chat, output_tokens=70)

    def test_cost_limit_below_minimum_returns_none(self) -> None:
        assert CHAT.shortened_to_cost(5_000 + 16 * 2_000 - 1) is None

    def test_free_output_cannot_be_shortened_to_reduce_cost(self) -> None:
        assert replace(CHAT, prices={"input_tokens": 500}).shortened_to_cost(4_999) is None
