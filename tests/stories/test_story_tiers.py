"""Service tiers: calls at two tiers, one invoice, one line per tier."""

import csv
import json
from pathlib import Path

from billing.invoice_documents.export import export_invoice
from tests.stories.rerating import rerate
from tests.support.billing.pdf_reading import pages
from tests.support.stories.plan_texts import GROWTH
from tests.support.stories.story import Firm, Story

# Priority costs 150 percent of the list price: 3.00 per million output tokens.
PRIORITY = f"""{GROWTH}
[[tier]]
name = "priority"
percent = 150

[[discount]]
model = "*"
percent = "10"
"""


async def exported(firm: Firm, folder: Path) -> Path:
    """Export the invoice of the month with usage; returns its folder."""
    invoice = (await firm.invoices())[-1]
    async with firm.story.database.transaction() as session:
        return await export_invoice(session, firm.account.id, invoice.id, folder)


def read_csv(file: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(file.read_text("utf-8-sig").splitlines()))


async def test_usage_at_two_service_tiers_is_billed_on_two_lines(
    story: Story, tmp_path: Path
) -> None:
    """October on Growth, which includes 310,000 output tokens at the default tier.

    default    500,000 tokens, 190,000 charged  x 0.000002     0.38
    priority   400,000 tokens                   x 0.000003     1.20
    10 percent off 1.58                                       -0.16
    November's fee                                          310.00
    """
    firm = await story.firm(tax_ppm=60_000)
    story.clock.set(2026, 10, 1, 9)
    await firm.subscribe(await story.plan(PRIORITY))
    story.clock.set(2026, 10, 12)
    await firm.use("llm", output_tokens=500_000)
    for tokens in (150_000, 250_000):
        await firm.use("llm", output_tokens=tokens, tier="priority")
    await story.until(2026, 11, 1, 1)
    _, cycle = await firm.invoices()
    assert await firm.lines(cycle) == [
        ("usage", "llm", "output_tokens", 500_000, 310_000, "0.38"),
        ("usage", "llm@priority", "output_tokens", 400_000, 0, "1.20"),
        ("discount", None, None, None, 0, "-0.16"),
        ("fixed_fee", None, None, None, 0, "310.00"),
    ]
    folder = await exported(firm, tmp_path)
    _check_documents(folder)
    assert await rerate(folder) == (0, f"{folder}: {firm.text(cycle.total)} CNY\n")
    await firm.pays_all()
    assert await story.differences() == ()


def _check_documents(folder: Path) -> None:
    """The JSON, both CSV files and the PDF contain the tier."""
    lines = json.loads((folder / "invoice.json").read_text("utf-8"))["lines"]
    told = [(line["model"], line["service_tier"], line["amount"]) for line in lines[:2]]
    assert told == [("llm", None, "0.38"), ("llm", "priority", "1.20")]
    rows = read_csv(folder / "lines.csv")
    assert [(row["model"], row["service_tier"]) for row in rows[:2]] == [
        ("llm", ""),
        ("llm", "priority"),
    ]
    calls = read_csv(folder / "calls.csv")
    assert [call["service_tier"] for call in calls] == ["", "priority", "priority"]
    text = "".join(pages((folder / "invoice.pdf").read_bytes()))
    assert "llm, priority" in text or "llm（优先）" in text
    assert "llm@priority" not in text


async def test_re_rating_fails_after_a_service_tier_is_changed(
    story: Story, tmp_path: Path
) -> None:
    firm = await story.firm()
    story.clock.set(2026, 10, 1, 9)
    await firm.subscribe(await story.plan(PRIORITY))
    await firm.use("llm", output_tokens=400_000, tier="priority")
    await story.until(2026, 11, 1, 1)
    folder = await exported(firm, tmp_path)
    assert (await rerate(folder))[0] == 0
    file = folder / "calls.csv"
    file.write_text(file.read_text("utf-8-sig").replace("priority", "flex"), "utf-8-sig")
    assert (await rerate(folder))[0] == 1
