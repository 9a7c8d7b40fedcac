"""What a document says of a charge: its settlement, who attested, and how many units."""

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
def test_millionths_are_written_exactly_and_without_zeros_at_the_end(micro: int, text: str) -> None:
    assert format_units(micro) == text


def test_a_charge_as_json_names_its_settlement_and_not_its_words() -> None:
    settlement_id = ids.new_id()
    charge = OutcomeCharge(settlement_id, "ab" * 32, "sign_off", 2_500_000, {"en": "Early warning"})
    assert charge.to_json() == {
        "settlement": ids.format_id("oset", settlement_id),
        "digest": "ab" * 32,
        "attested_by": "sign_off",
        "quantity": "2.5",
    }
