"""Amounts of fapiao: what can be requested and what needs a red letter, by hand."""

import pytest

from billing.fapiao.amounts import (
    Colour,
    FapiaoAmount,
    FapiaoStatus,
    InvoiceFunds,
    RedLetterPart,
    red_letter_parts,
    remaining_amount,
    requestable_amount,
)
from infra import ids

FIRST, SECOND = ids.new_id(), ids.new_id()
REQUESTED, ISSUING = FapiaoStatus.REQUESTED, FapiaoStatus.ISSUING
ISSUED, REJECTED = FapiaoStatus.ISSUED, FapiaoStatus.REJECTED


def blue(total: int, status: str = ISSUED, number: int = 1) -> FapiaoAmount:
    return FapiaoAmount(FIRST if number == 1 else SECOND, Colour.BLUE, status, total)


def red(total: int, status: str = ISSUED, number: int = 1) -> FapiaoAmount:
    original = FIRST if number == 1 else SECOND
    return FapiaoAmount(ids.new_id(), Colour.RED, status, total, original)


class TestFunds:
    @pytest.mark.parametrize(
        ("paid", "promotional", "returned", "base"),
        [
            (106_00, 0, 0, 106_00),
            (106_00, 40_00, 0, 66_00),  # promotional credit is not money
            (106_00, 0, 53_00, 53_00),  # half of it refunded
            (106_00, 40_00, 106_00, 0),  # all returned: not below zero
            (0, 0, 0, 0),
        ],
    )
    def test_base_is_money_paid_and_not_returned(
        self, paid: int, promotional: int, returned: int, base: int
    ) -> None:
        assert InvoiceFunds(paid, promotional, returned).base == base


class TestRequestableAmount:
    @pytest.mark.parametrize("status", [REQUESTED, ISSUING, ISSUED])
    def test_fapiao_under_way_or_issued_takes_its_amount(self, status: str) -> None:
        """50.00 of 106.00 was paid and requested; the other 56.00 are paid later."""
        assert requestable_amount(InvoiceFunds(50_00), []) == 50_00
        assert requestable_amount(InvoiceFunds(50_00), [blue(50_00, status)]) == 0
        assert requestable_amount(InvoiceFunds(106_00), [blue(50_00, status)]) == 56_00

    def test_rejected_fapiao_takes_nothing(self) -> None:
        assert requestable_amount(InvoiceFunds(50_00), [blue(50_00, REJECTED)]) == 50_00

    def test_credit_note_before_request_reduces_the_amount(self) -> None:
        assert requestable_amount(InvoiceFunds(106_00, returned=6_00), []) == 100_00

    def test_credit_note_after_issue_leaves_nothing(self) -> None:
        assert requestable_amount(InvoiceFunds(106_00, returned=6_00), [blue(106_00)]) == 0

    def test_red_letter_frees_its_amount_only_when_issued(self) -> None:
        """After a wrong title: the new fapiao waits for the red letter."""
        for status in (REQUESTED, ISSUING, REJECTED):
            standing = [blue(106_00), red(106_00, status)]
            assert requestable_amount(InvoiceFunds(106_00), standing) == 0
        assert requestable_amount(InvoiceFunds(106_00), [blue(106_00), red(106_00)]) == 106_00


class TestRedLetterParts:
    def test_nothing_is_due_while_fapiao_do_not_exceed_what_was_paid(self) -> None:
        assert red_letter_parts(InvoiceFunds(106_00), [blue(106_00)]) == ()
        assert red_letter_parts(InvoiceFunds(106_00), []) == ()

    def test_partial_credit_needs_a_partial_red_letter(self) -> None:
        funds = InvoiceFunds(106_00, returned=30_00)
        assert red_letter_parts(funds, [blue(106_00)]) == (RedLetterPart(FIRST, 30_00),)

    def test_full_refund_needs_red_letters_over_all_fapiao_newest_first(self) -> None:
        funds = InvoiceFunds(106_00, returned=106_00)
        both = [blue(50_00), blue(56_00, number=2)]
        assert red_letter_parts(funds, both) == (
            RedLetterPart(SECOND, 56_00),
            RedLetterPart(FIRST, 50_00),
        )

    def test_newest_fapiao_is_reduced_before_older_ones(self) -> None:
        """60.00 returned of 50.00 and 56.00: the second is cancelled, the first loses 4.00."""
        both = [blue(50_00), blue(56_00, number=2)]
        assert red_letter_parts(InvoiceFunds(106_00, returned=60_00), both) == (
            RedLetterPart(SECOND, 56_00),
            RedLetterPart(FIRST, 4_00),
        )

    @pytest.mark.parametrize("status", [REQUESTED, ISSUING, ISSUED])
    def test_red_letter_under_way_is_not_requested_again(self, status: str) -> None:
        funds, standing = InvoiceFunds(106_00, returned=30_00), [blue(106_00), red(30_00, status)]
        assert red_letter_parts(funds, standing) == ()

    def test_rejected_red_letter_is_due_again(self) -> None:
        funds, standing = InvoiceFunds(106_00, returned=30_00), [blue(106_00), red(30_00, REJECTED)]
        assert red_letter_parts(funds, standing) == (RedLetterPart(FIRST, 30_00),)

    def test_second_credit_note_needs_only_its_own_part(self) -> None:
        funds, standing = InvoiceFunds(106_00, returned=50_00), [blue(106_00), red(30_00)]
        assert red_letter_parts(funds, standing) == (RedLetterPart(FIRST, 20_00),)

    @pytest.mark.parametrize("status", [REQUESTED, ISSUING, REJECTED])
    def test_fapiao_that_is_not_issued_needs_no_red_letter(self, status: str) -> None:
        funds = InvoiceFunds(106_00, returned=106_00)
        assert red_letter_parts(funds, [blue(106_00, status)]) == ()

    def test_cancelled_fapiao_is_skipped(self) -> None:
        """The second was cancelled for its title; a credit note reduces the first."""
        standing = [blue(50_00), blue(56_00, number=2), red(56_00, number=2)]
        assert red_letter_parts(InvoiceFunds(50_00, returned=10_00), standing) == (
            RedLetterPart(FIRST, 10_00),
        )


def test_remaining_amount_subtracts_red_letters_that_stand() -> None:
    standing = [blue(106_00), red(30_00, REQUESTED), red(20_00, REJECTED), red(1_00, number=2)]
    assert remaining_amount(FIRST, standing) == 76_00
