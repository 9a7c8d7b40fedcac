"""Policy files: what they say, and each error with its field and line."""

import pytest

from billing.credit.errors import CreditPolicyInvalid
from billing.credit.policy import Lowering, RaiseStep, describe_rules, parse_policy
from billing.credit.policy_file import parse_policy_file
from tests.support.billing.credit import STANDARD

pytestmark = pytest.mark.unit


def test_file_gives_the_rules_in_minor_units() -> None:
    policy = parse_policy_file(STANDARD)
    assert (policy.starting, policy.maximum, policy.guarantee_ppm) == (500_00, 5000_00, 500_000)
    assert policy.steps[1] == RaiseStep(
        limit=3000_00, paid_on_time=4, paid=1000_00, age_days=90, used_ppm=500_000
    )
    assert policy.lowerings == (
        Lowering(days_overdue=10, ppm=500_000),
        Lowering(days_overdue=30, ppm=1_000_000),
    )
    assert policy.freeze.disputed == 100_00


def test_canonical_json_gives_the_same_policy_and_id() -> None:
    policy = parse_policy_file(STANDARD)
    again = parse_policy(policy.canonical_json().decode())
    assert (again, again.version_id(1)) == (policy, policy.version_id(1))
    assert describe_rules(policy)["starting"] == 500_00


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('limit = "3000.00"', 'limit = "900.00"', r"step\[1\]: must be above the step before"),
        ("paid_on_time = 4", "paid_on_time = 1", "must not be below the step before"),
        ('used_percent = "50"', 'used_percent = "101"', "at most 100 %"),
        ("age_days = 90", "days = 90", "`step.1..days` is not known"),
        ('starting = "500.00"', 'starting = "-5.00"', "starting: an amount must be"),
        ('starting = "500.00"', 'starting = "5.001"', "2 decimal places"),
        ('starting = "500.00"', 'starting = "9000.00"', "maximum: must not be below"),
        ('maximum = "5000.00"', 'maximum = "50000000000.00"', "cannot be read|maximum"),
        ("days_overdue = 30", "days_overdue = 9", r"lowering\[1\]: must be above"),
        ('percent = "100"', 'percent = "101"', r"lowering\[1\]"),
        ("chargebacks = 1", "chargebacks = 0", "freeze.chargebacks: must be positive"),
        ("window_days = 180", "window_days = 0", "freeze.window_days"),
        ('currency = "CNY"', 'currency = "yuan"', "currency"),
        ('policy = "standard"', 'policy = "none"', "policy: must be an identifier"),
        ('guarantee_percent = "50"', 'guarantee_percent = "101"', "guarantee_ppm: must be 0"),
        ("on_time_grace_days = 3", "on_time_grace_days = 61", "on_time_grace_days"),
        ('policy = "standard"', "policy = ", "cannot be read"),
    ],
)
def test_invalid_file_raises_with_the_field(old: str, new: str, message: str) -> None:
    with pytest.raises(CreditPolicyInvalid, match=message):
        parse_policy_file(STANDARD.replace(old, new))


def test_error_names_the_line() -> None:
    with pytest.raises(CreditPolicyInvalid, match=r"\(line 13\)"):
        parse_policy_file(STANDARD.replace('limit = "3000.00"', 'limit = "900.00"'))
