"""A predictive maintenance contract, from agreement to paid invoice: disputes decided for each
side, and reversed outcomes."""

from dataclasses import replace

from billing.ledger.ledger import Book
from billing.outcomes.contracts.terms import AttesterKind
from tests.support.stories.outcome_story import DEADLINES, contract
from tests.support.stories.story import Story

CUSTOMER, OPERATOR = "customer", "operator"


async def test_contract_is_settled_disputed_invoiced_paid_and_credited_after_reversal(
    story: Story,
) -> None:
    """300.00 per predicted failure; 6 % tax. October has four: the customer's system attests three,
    a person signs one off. Calls are covered, five rows of 0.001 each.

    The settlement of 4 November is 1,200.00. The customer disputes W-3; the rest is accepted:

        4 Nov   settled      4 x 300.00 = 1,200.00, disputable until 14 November
        6 Nov   W-3 disputed, 300.00 frozen
        10 Nov  the operator answers, on the 13th the customer replies: decision due by the 18th
        14 Nov  accepted:    3 x 300.00 =   900.00, of it 600.00 by the system, 300.00 signed off
        16 Nov  the arbiter decides for the operator: 300.00 more
        1 Dec   November's invoice: 600.00 + 300.00 + 300.00 = 1,200.00, tax 72.00: 1,272.00

    The invoice is paid. On 5 December outcome W-1 is reversed: 300.00 and 18.00 of tax are
    credited, 318.00 into the wallet. October's own invoice has the covered calls at 0.00.
    """
    firm = await story.firm(tax_ppm=60_000)
    spindles = await contract(firm)
    story.clock.set(2026, 10, 20)
    outcomes = [
        await spindles.is_confirmed(f"W-{day}", f"M{day}", 2026, 10, 10 + day, 12)
        for day in (1, 2, 3)
    ]
    await spindles.use("M4", 2026, 10, 15, 6)
    signed = await spindles.claims("W-4", "M4", 2026, 10, 15, 12)
    outcomes.append(await spindles.confirms(signed, AttesterKind.SIGN_OFF))
    await spindles.use("M5", 2026, 10, 16)
    await spindles.until(2026, 11, 4)
    (settled,) = await spindles.settlements()
    assert (settled.micro, settled.minor) == (4_000_000, 1_200_00)
    assert settled.disputable_until == story.clock.at(2026, 11, 14)

    story.clock.set(2026, 11, 6)
    dispute = await spindles.disputes(settled, outcomes[2])
    assert (dispute.frozen, dispute.answer_due) == (300_00, story.clock.at(2026, 11, 11))
    story.clock.set(2026, 11, 10)
    await spindles.answers(dispute)
    story.clock.set(2026, 11, 13)
    await spindles.replies(dispute)
    await spindles.until(2026, 11, 14)
    await spindles.until(2026, 11, 16)
    await spindles.decides(dispute, OPERATOR)
    await spindles.until(2026, 12, 1, 1)

    october, november = await firm.invoices()
    assert (await firm.lines(october), october.status) == (
        [("usage", "vib", "rows", 5, 5, "0.00")],
        "paid",
    )
    assert firm.amounts(november) == ("1200.00", "72.00", "1272.00")
    assert november.usage == 0
    assert await spindles.outcome_lines(november) == [
        ("customer_system", "2", "600.00"),
        ("sign_off", "1", "300.00"),
        ("customer_system", "1", "300.00"),
    ]
    await firm.pays(november, "1272.00")
    story.clock.set(2026, 12, 5)
    await spindles.reverses(outcomes[0])
    await spindles.reverses(outcomes[0])
    (note,) = (await spindles.document(november)).notes
    assert (note.net, note.tax, note.total, note.to_wallet) == (300_00, 18_00, 318_00, 318_00)
    assert note.reason == "效果 W-1 已被撤销。"
    assert await firm.balance(Book.REVENUE_FEES) == -900_00
    assert await story.differences() == ()


async def test_unanswered_dispute_is_decided_for_the_customer_and_never_invoiced(
    story: Story,
) -> None:
    """Two failures are settled at 600.00; one is disputed in time, and the operator does not
    answer by the 11th: only 300.00 of 600.00 are charged."""
    firm = await story.firm()
    spindles = await contract(firm)
    story.clock.set(2026, 10, 20)
    first = await spindles.is_confirmed("W-1", "M1", 2026, 10, 11, 12)
    await spindles.is_confirmed("W-2", "M2", 2026, 10, 12, 12)
    await spindles.until(2026, 11, 4)
    (settled,) = await spindles.settlements()
    story.clock.set(2026, 11, 6)
    await spindles.disputes(settled, first)
    await spindles.until(2026, 11, 14)
    await spindles.until(2026, 12, 1, 1)
    _, november = await firm.invoices()
    assert await spindles.outcome_lines(november) == [("customer_system", "1", "300.00")]
    assert await story.differences() == ()


async def test_dispute_decided_for_the_operator_is_invoiced_in_the_next_month(story: Story) -> None:
    """Of 600.00, 300.00 are frozen and 300.00 invoiced in November. In December the customer gives
    in: December's invoice has the other 300.00. Then one outcome is reversed: the newest invoice,
    December's, is credited first."""
    firm = await story.firm()
    spindles = await contract(firm, deadlines=replace(DEADLINES, answer_days=14))
    story.clock.set(2026, 10, 20)
    first = await spindles.is_confirmed("W-1", "M1", 2026, 10, 11, 12)
    await spindles.is_confirmed("W-2", "M2", 2026, 10, 12, 12)
    await spindles.until(2026, 11, 4)
    (settled,) = await spindles.settlements()
    story.clock.set(2026, 11, 13)
    dispute = await spindles.disputes(settled, first)
    await spindles.until(2026, 11, 25)
    await spindles.answers(dispute)
    await spindles.replies(dispute)
    await spindles.until(2026, 12, 1, 1)
    await spindles.gives_in(dispute, CUSTOMER)
    await spindles.until(2027, 1, 1, 1)
    _, november, december = await firm.invoices()
    assert await spindles.outcome_lines(november) == [("customer_system", "1", "300.00")]
    assert await spindles.outcome_lines(december) == [("customer_system", "1", "300.00")]
    await spindles.reverses(first)
    assert (await firm.owes(november), await firm.owes(december)) == ("300.00", "0.00")
    assert await story.differences() == ()


async def test_reversed_outcome_is_credited_only_below_the_monthly_cap(story: Story) -> None:
    """Five failures at 300.00 are 1,500.00, the cap is 1,000.00. The system attests four, a person
    one: 800.00 and 200.00. One reversal leaves 1,200.00, still above the cap: no credit. Two more
    leave 600.00: 400.00 are credited."""
    firm = await story.firm()
    spindles = await contract(firm, cap=1_000_00)
    story.clock.set(2026, 10, 20)
    outcomes = [
        await spindles.is_confirmed(f"W-{day}", f"M{day}", 2026, 10, 10 + day, 12)
        for day in (1, 2, 3, 4)
    ]
    await spindles.use("M5", 2026, 10, 15, 6)
    signed = await spindles.claims("W-5", "M5", 2026, 10, 15, 12)
    await spindles.confirms(signed, AttesterKind.SIGN_OFF)
    await spindles.until(2026, 11, 4)
    await spindles.until(2026, 11, 14)
    await spindles.until(2026, 12, 1, 1)
    _, november = await firm.invoices()
    assert await spindles.outcome_lines(november) == [
        ("customer_system", "4", "800.00"),
        ("sign_off", "1", "200.00"),
    ]
    await spindles.reverses(outcomes[0])
    assert await firm.owes(november) == "1000.00"
    await spindles.reverses(outcomes[1])
    await spindles.reverses(outcomes[2])
    assert await firm.owes(november) == "600.00"
    assert await story.differences() == ()
