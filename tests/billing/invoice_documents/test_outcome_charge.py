"""Outcome charges on documents: settlement, kind of attestation and units."""

import pytest

from billing.invoice_documents.outcome_charge import OutcomeCharge, format_units
from infra import ids


@pytest.mark.parametrize(
    ("micro", "text"),
    [
        (0, "0"),
        (1, "0.000001"),
        (1_000_000, "1"),
        (1_500_000, "1.5"),
        (10_000_000, "10"),
        (1_234_567_890_123, "1234567.890123"),
    ],
)
def test_units_are_formatted_exactly_without_trailing_zeros(micro: int, text: str) -> None:
    assert format_units(micro) == text


def test_outcome_charge_json_has_settlement_and_no_description() -> None:
    settlement_id = ids.new_id()
    charge = OutcomeCharge(settlement_id, "ab" * 32, "sign_off", 2_500_000, {"en": "Early warning"})
    assert charge.to_json() == {
        "settlement": ids.format_id("oset", settlement_id),
        "digest": "ab" * 32,
        "attested_by": "sign_off",
        "quantity": "2.5",
    }
