"""The decision: a pure function of policy, facts and time, with figures computed by hand."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from billing.credit.decision import decide, find_next_step
from billing.credit.facts import CreditFacts, GuaranteeFact, OverrideFact, parse_facts
from billing.credit.policy_file import parse_policy_file
from tests.support.billing.credit import STANDARD

pytestmark = pytest.mark.unit
POLICY = parse_policy_file(STANDARD)
NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
NEW = CreditFacts(
    currency="CNY",
    opened_at=NOW - timedelta(days=10),
    paid_on_time=0,
    paid=0,
    highest_invoice=0,
    days_overdue=0,
    overdue=0,
    disputed=0,
    chargebacks=0,
    failed_payments=0,
    deposit=0,
)
GOOD = replace(
    NEW, opened_at=NOW - timedelta(days=90), paid_on_time=4, paid=1000_00, highest_invoice=500_00
)
GUARANTEE = GuaranteeFact(
    id=UUID(int=1), guarantor="Bank", minor=301_01, valid_until=NOW + timedelta(days=1)
)
OVERRIDE = OverrideFact(id=UUID(int=2), minor=7_00, expires_at=NOW + timedelta(hours=1))


def limit(facts: CreditFacts) -> int:
    return decide(POLICY, facts, NOW).limit


def codes(facts: CreditFacts) -> list[str]:
    return [reason.code.value for reason in decide(POLICY, facts, NOW).reasons]


class TestRaises:
    def test_new_account_gets_the_starting_limit(self) -> None:
        assert (limit(NEW), codes(NEW)) == (500_00, ["starting"])

    def test_all_conditions_of_a_step_are_needed(self) -> None:
        """Each fact one below its condition leaves the step before."""
        assert limit(GOOD) == 3000_00
        assert limit(replace(GOOD, paid_on_time=3)) == 1000_00
        assert limit(replace(GOOD, paid=999_99)) == 1000_00
        assert limit(replace(GOOD, highest_invoice=499_99)) == 1000_00
        young = replace(GOOD, opened_at=GOOD.opened_at + timedelta(seconds=1))
        assert limit(young) == 1000_00

    def test_a_step_is_not_skipped(self) -> None:
        assert limit(replace(GOOD, paid_on_time=1)) == 500_00

    def test_next_step_says_what_is_missing(self) -> None:
        """Half of the 1,000.00 before the step: 500.00 must have been used in one month."""
        first = find_next_step(POLICY, NEW, NOW)
        assert first is not None
        assert (first.limit, first.missing) == (1000_00, {"paid_on_time": 2})
        second = find_next_step(POLICY, replace(NEW, paid_on_time=2), NOW)
        assert second is not None
        assert second.missing == {
            "paid_on_time": 2,
            "paid": 1000_00,
            "age_days": 80,
            "highest_invoice": 500_00,
        }
        assert find_next_step(POLICY, GOOD, NOW) is None


class TestLoweringAndFreeze:
    @pytest.mark.parametrize(
        ("days", "expected", "reasons"),
        [
            (4, 3000_00, ["step"]),
            (5, 3000_00, ["step", "frozen"]),
            (10, 1500_00, ["step", "lowered", "frozen"]),
            (29, 1500_00, ["step", "lowered", "frozen"]),
            (30, 0, ["step", "lowered", "frozen"]),
        ],
    )
    def test_days_overdue_lower_the_earned_limit(
        self, days: int, expected: int, reasons: list[str]
    ) -> None:
        facts = replace(GOOD, days_overdue=days, earned_before=3000_00)
        assert (limit(facts), codes(facts)) == (expected, reasons)

    @pytest.mark.parametrize(
        ("name", "value"),
        [("days_overdue", 5), ("disputed", 100_00), ("chargebacks", 1), ("failed_payments", 3)],
    )
    def test_frozen_limit_does_not_rise(self, name: str, value: int) -> None:
        frozen = replace(GOOD, earned_before=1000_00, **{name: value})  # type: ignore[arg-type]
        assert limit(frozen) == 1000_00
        below = replace(GOOD, earned_before=1000_00, **{name: value - 1})  # type: ignore[arg-type]
        assert limit(below) == 3000_00

    def test_frozen_first_decision_is_the_starting_limit(self) -> None:
        assert limit(replace(GOOD, chargebacks=1)) == 500_00

    def test_account_in_two_states_gets_the_lower_limit(self) -> None:
        """Overdue and disputed: half of 3,000.00, but not above 1,000.00 while frozen."""
        facts = replace(GOOD, days_overdue=10, disputed=100_00, earned_before=1000_00)
        assert limit(facts) == 1000_00
        rules = [r.values["rule"] for r in decide(POLICY, facts, NOW).reasons if "rule" in r.values]
        assert rules == ["days_overdue", "disputed"]


class TestSecurities:
    def test_deposit_and_guarantee_are_added(self) -> None:
        """Of the deposit all, of 301.01 half rounded down: 150.50."""
        facts = replace(NEW, deposit=200_00, guarantees=(GUARANTEE,))
        decided = decide(POLICY, facts, NOW)
        assert (decided.limit, decided.earned) == (850_50, 500_00)
        assert codes(facts) == ["starting", "deposit", "guarantee"]

    def test_expired_guarantee_counts_nothing(self) -> None:
        expired = replace(GUARANTEE, valid_until=NOW)
        assert limit(replace(NEW, guarantees=(expired,))) == 500_00

    def test_deposit_counts_while_frozen(self) -> None:
        assert limit(replace(NEW, chargebacks=1, deposit=10_00)) == 510_00

    def test_limit_is_at_most_the_maximum(self) -> None:
        facts = replace(GOOD, deposit=2000_01)
        assert (limit(facts), codes(facts)) == (5000_00, ["step", "deposit", "maximum"])


class TestOverride:
    def test_override_is_the_limit_whatever_else_applies(self) -> None:
        facts = replace(GOOD, days_overdue=40, deposit=5_00, override=OVERRIDE)
        assert (limit(facts), codes(facts)) == (7_00, ["override"])

    def test_expired_override_does_not_apply(self) -> None:
        assert limit(replace(NEW, override=replace(OVERRIDE, expires_at=NOW))) == 500_00


class TestFacts:
    def test_canonical_json_gives_the_same_facts(self) -> None:
        facts = replace(GOOD, guarantees=(GUARANTEE,), override=OVERRIDE, earned_before=3)
        assert parse_facts(facts.canonical_json()) == facts

    def test_negative_amounts_raise_value_error(self) -> None:
        with pytest.raises(ValueError, match="never negative"):
            replace(NEW, deposit=-1)
        with pytest.raises(ValueError, match="never negative"):
            replace(NEW, guarantees=(replace(GUARANTEE, minor=-1),))

    def test_other_currency_raises_value_error(self) -> None:
        with pytest.raises(ValueError, match="in CNY decides no limit in EUR"):
            decide(POLICY, replace(NEW, currency="EUR"), NOW)
