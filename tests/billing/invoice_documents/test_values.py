"""Lines of a document: quantities and JSON form."""

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


class TestLineQuantity:
    def test_usage_quantity_has_thousands_separators(self) -> None:
        assert USAGE.quantity_text == "500,000"

    def test_fee_has_no_quantity(self) -> None:
        assert FEE.quantity_text == ""

    def test_outcome_quantity_comes_from_its_charge(self) -> None:
        assert OUTCOME.quantity_text == "1.5"


class TestLineJson:
    def test_outcome_line_has_charge_and_no_quantity(self) -> None:
        said = OUTCOME.to_json("CNY")
        assert said["outcome"] == CHARGE.to_json()
        assert (said["kind"], said["amount"], said["quantity"]) == ("outcome", "450.00", None)

    def test_usage_and_fee_lines_have_no_outcome_charge(self) -> None:
        assert [one.to_json("CNY")["outcome"] for one in (USAGE, FEE)] == [None, None]
