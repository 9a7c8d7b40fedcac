"""Tags: cost per order."""

from billing.tables import Settlement
from tests.support.stories.story import Story


async def test_invoice_reports_calls_and_cost_per_tag(story: Story) -> None:
    """Rows at 0.001, tagged with their order, some with a machine as well.

        order 4711   2,000 + 3,000 rows in 2 calls   5.00   (of them 3,000 on the lathe, 3.00)
        order 4712   1,000 rows in 1 call            1.00
        no order       500 rows                      0.50
        the invoice                                  6.50

    November: order 4711 with 4,000 rows on time, and 1,000 late rows of October.
    """
    firm = await story.firm()
    story.clock.set(2026, 10, 12)
    await firm.use("vib", rows=2_000, tags={"order": "4711"})
    await firm.use("vib", rows=3_000, tags={"order": "4711", "machine": "lathe"})
    await firm.use("vib", rows=1_000, tags={"order": "4712"})
    await firm.use("vib", rows=500)
    await story.until(2026, 11, 1, 1)
    await firm.use("vib", at=story.clock.at(2026, 10, 30), rows=1_000, tags={"order": "4711"})
    await firm.use("vib", rows=4_000, tags={"order": "4711"})
    await story.until(2026, 12, 1, 1)
    october, november = await firm.invoices()
    assert await firm.tagged(october) == [
        ("machine", "lathe", False, 1, 3_000, "3"),
        ("order", "4711", False, 2, 5_000, "5"),
        ("order", "4712", False, 1, 1_000, "1"),
    ]
    assert await firm.tagged(november) == [
        ("order", "4711", False, 1, 4_000, "4"),
        ("order", "4711", True, 1, 1_000, "1"),
    ]
    assert [firm.text(one.total) for one in (october, november)] == ["6.50", "5.00"]
    await firm.pays_all()
    assert await story.differences() == ()


async def test_failed_call_adds_no_cost_to_its_tag(story: Story) -> None:
    """1,000 rows for order 4711, and a call for it with a platform fault: 1.00, one call."""
    firm = await story.firm()
    await firm.use("vib", rows=1_000, tags={"order": "4711"})
    await firm.use("vib", rows=9_000, tags={"order": "4711"}, settlement=Settlement.PLATFORM_FAULT)
    await story.until(2026, 11, 1, 1)
    (october,) = await firm.invoices()
    assert await firm.tagged(october) == [("order", "4711", False, 1, 1_000, "1")]
    assert await firm.lines(october) == [("usage", "vib", "rows", 1_000, 0, "1.00")]
    await firm.pays_all()
    assert await story.differences() == ()
