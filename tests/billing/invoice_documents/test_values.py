"""A document's lines: their units, and their JSON form."""

from billing.invoice_documents.outcome_charge import OutcomeCharge
from billing.invoice_documents.values import DocumentLine
from billing.rating.statement import LineKind, StatementLine
from infra import ids
from tests.billing.invoice_documents.sample_invoice import FEE, USAGE, VERSION

CHARGE = OutcomeCharge(ids.new_id(), "ab" * 32, "sign_off", 1_500_000, {"en": "Early warning"})
OUTCOME = DocumentLine(
    number=3,
    line=StatementLine(LineKind.OUTCOME, 450_00, VERSION),
    description="Early warning: signed off",
    plan="contract",
    plan_name="Early warning",
    price_text="",
    charge=CHARGE,
)


class TestUnits:
    def test_of_usage_are_grouped_by_thousands(self) -> None:
        assert USAGE.quantity_text == "500,000"

    def test_of_a_fee_are_none(self) -> None:
        assert FEE.quantity_text == ""

    def test_of_an_outcome_are_what_its_charge_says(self) -> None:
        assert OUTCOME.quantity_text == "1.5"


class TestJson:
    def test_of_an_outcome_has_its_charge_and_no_units_of_its_own(self) -> None:
        said = OUTCOME.to_json("CNY")
        assert said["outcome"] == CHARGE.to_json()
        assert (said["kind"], said["amount"], said["quantity"]) == ("outcome", "450.00", None)

    def test_of_usage_and_of_a_fee_has_no_charge(self) -> None:
        assert [one.to_json("CNY")["outcome"] for one in (USAGE, FEE)] == [None, None]
