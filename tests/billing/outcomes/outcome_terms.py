"""Terms of outcome contracts by which tests price."""

from datetime import UTC, datetime
from typing import Any

from billing.outcomes.contracts.terms import (
    AttesterKind,
    BaselineGateTerms,
    ContractDeadlines,
    EventEffect,
    ImprovementDirection,
    MeasuredEffect,
    MeasurementDesign,
    OutcomeTerms,
    SavingsShare,
)
from billing.rating.price_kinds.per_unit import PerUnit
from billing.rating.price_kinds.price import Price

YUAN = 10**9
SAVING = MeasuredEffect(
    "kg",
    ImprovementDirection.LESS,
    MeasurementDesign.BASELINE,
    (),
    900_000,
    BaselineGateTerms(200_000, 10_000, 50_000, 30),
    looks=3,
)

EACH = PerUnit(300 * YUAN)


def terms(price: Price | SavingsShare = EACH, **values: Any) -> OutcomeTerms:
    kind = SAVING if isinstance(price, SavingsShare) else EventEffect(2, 168, 72)
    usual: dict[str, Any] = {
        "tag": "spindles",
        "names": {"en": "Early warning", "zh": "故障预警"},
        "currency": "CNY",
        "effect": "A failure was foreseen.",
        "kind": kind,
        "price": price,
        "meter": "work orders of the CMMS",
        "attesters": (AttesterKind.CUSTOMER_SYSTEM,),
        "deadlines": ContractDeadlines(10, 5, 90),
        "starts_at": datetime(2026, 10, 1, tzinfo=UTC),
        "ends_at": datetime(2026, 12, 1, tzinfo=UTC),
    }
    return OutcomeTerms(**{**usual, **values})
