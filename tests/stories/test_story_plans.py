"""Plans: the monthly fee, allowances, and each kind of price."""

from billing.invoice_documents.builder import build_invoice_document
from tests.support.stories.plan_texts import GROWTH
from tests.support.stories.story import Story


async def test_plan_month_bills_fee_in_advance_and_usage_above_allowance(story: Story) -> None:
    """October on Growth from the 1st: fee 310.00 in advance.

    Used 500,000 output tokens, of which 310,000 are included: 190,000 x 0.000002 = 0.38.
    On 1 November: 0.38 of usage, and 310.00 for November.
    """
    firm = await story.firm()
    story.clock.set(2026, 10, 1, 9)
    growth = await story.plan(GROWTH)
    first = await firm.subscribe(growth)
    assert [one.total for one in first.invoices] == [310_00]
    story.clock.set(2026, 10, 12)
    await firm.use("llm", output_tokens=500_000)
    assert await story.until(2026, 11, 1, 0, 30) == []
    await story.until(2026, 11, 1, 1)
    fee, cycle = await firm.invoices()
    assert (fee.number, cycle.number) == (1, 2)
    assert await firm.lines(cycle) == [
        ("usage", "llm", "output_tokens", 500_000, 310_000, "0.38"),
        ("fixed_fee", None, None, None, 0, "310.00"),
    ]
    await firm.pays(fee, "310.00", "bank-1")
    paid = await firm.pays(cycle, "310.38", "bank-2")
    assert paid.status == "paid"
    assert await story.differences() == ()


STEPS = """
plan = "steps"
names = { en = "Steps", zh = "阶梯版" }
currency = "CNY"
fixed_fee = "100.00"

[[price]]
model = "llm"
meter = "output_tokens"
kind = "graduated"
per = 1_000_000
tiers = [
    { up_to = 10_000_000, price = "2.00" },
    { up_to = 50_000_000, price = "1.50", flat = "5.00" },
    { price = "1.00" },
]

[[allowance]]
model = "llm"
meter = "output_tokens"
quantity = 5_000_000
"""


async def test_graduated_price_bills_each_tier_at_its_own_rate(story: Story) -> None:
    """October: 20 + 30 + 20 = 70 million output tokens, 5 million of them included: 65 charged.

        the first 10 million at 2.00    20.00
        the next  40 million at 1.50    60.00   and a flat amount of 5.00 for reaching that tier
        the last  15 million at 1.00    15.00
                                       100.00

    With November's fee of 100.00 that is 200.00.
    """
    firm = await story.firm()
    fee = (await firm.subscribe(await story.plan(STEPS))).invoices[0]
    for day, tokens in ((5, 20_000_000), (15, 30_000_000), (31, 20_000_000)):
        story.clock.set(2026, 10, day, 12)
        await firm.use("llm", output_tokens=tokens)
    await story.until(2026, 11, 1, 1)
    _, cycle = await firm.invoices()
    assert await firm.lines(cycle) == [
        ("usage", "llm", "output_tokens", 70_000_000, 5_000_000, "100.00"),
        ("fixed_fee", None, None, None, 0, "100.00"),
    ]
    await firm.pays(fee, "100.00", "bank-1")
    assert (await firm.pays(cycle, "200.00", "bank-2")).status == "paid"
    assert await story.differences() == ()


PACKS = """
plan = "packs"
names = { en = "Packs", zh = "套包版" }
currency = "CNY"

[[price]]
model = "vib"
meter = "rows"
kind = "package"
size = 1_000
price = "3.00"

[[allowance]]
model = "vib"
meter = "rows"
quantity = 500
"""


async def test_package_price_rounds_monthly_usage_up_to_whole_packages(story: Story) -> None:
    """1,200 + 1,301 = 2,501 rows, 500 of them included: 2,001 charged are 3 packages: 9.00.

    Not 2 + 2 packages: packages apply to the sum of the month, not to each call.
    """
    firm = await story.firm()
    await firm.subscribe(await story.plan(PACKS))
    for day, rows in ((3, 1_200), (4, 1_301)):
        story.clock.set(2026, 10, day)
        await firm.use("vib", rows=rows)
    await story.until(2026, 11, 1, 1)
    (cycle,) = await firm.invoices()
    assert await firm.lines(cycle) == [("usage", "vib", "rows", 2_501, 500, "9.00")]
    assert (await firm.pays(cycle, "9.00")).status == "paid"
    assert await story.differences() == ()


VISION = """
plan = "vision"
names = { en = "Vision", zh = "视觉版" }
currency = "CNY"
fixed_fee = "99.00"

[[price]]
model = "eye"
meter = "images"
price = "0.05"

[[price]]
model = "eye"
meter = "adaptation_seconds"
per = 60
price = "3.00"

[[allowance]]
model = "eye"
meter = "adaptation_seconds"
quantity = 600
"""


async def test_vision_plan_bills_images_and_adaptation_seconds(story: Story) -> None:
    """October: 1,234 + 1,766 = 3,000 images at 0.05, 150.00, and two adaptations of 540 and 485
    seconds, together 1,025. 600 are included; 425 at 3.00 per minute, 0.05 per second: 21.25.

    An image of October recorded in November costs 0.05, and November's 600 seconds are all
    included. The tag `line` has the adaptation seconds and images of its calls.
    """
    firm = await story.firm()
    await firm.subscribe(await story.plan(VISION))
    story.clock.set(2026, 10, 5)
    line = {"line": "castings"}
    await firm.use("eye", adaptation_seconds=540, tags=line)
    await firm.use("eye", adaptation_seconds=485)
    for day, images in ((6, 1_234), (30, 1_766)):
        story.clock.set(2026, 10, day)
        await firm.use("eye", images=images, tags=line)
    await story.until(2026, 11, 1, 1)
    await firm.use("eye", at=story.clock.at(2026, 10, 31), images=1)
    await firm.use("eye", adaptation_seconds=600)
    await story.until(2026, 12, 1, 1)
    _, october, november = await firm.invoices()
    assert await firm.lines(october) == [
        ("usage", "eye", "images", 3_000, 0, "150.00"),
        ("usage", "eye", "adaptation_seconds", 1_025, 600, "21.25"),
        ("fixed_fee", None, None, None, 0, "99.00"),
    ]
    assert await firm.lines(november) == [
        ("late_usage", "eye", "images", 1, 0, "0.05"),
        ("usage", "eye", "adaptation_seconds", 600, 600, "0.00"),
        ("fixed_fee", None, None, None, 0, "99.00"),
    ]
    async with story.database.transaction() as session:
        document = await build_invoice_document(session, firm.account.id, october.id, "en")
    words = [(one.description, one.quantity_text, one.price_text) for one in document.lines[:2]]
    assert words == [
        ("eye: inference images", "3,000", "CN¥0.05 per image"),
        ("eye: fine-tuning seconds", "1,025", "CN¥3.00 per minute"),
    ]
    # 540 of 1,025 seconds are tagged `castings`: 11.1951 of 21.25; 10.0549 are untagged.
    (tag,) = document.tags
    assert [(part.value, part.minor) for part in tag.parts] == [
        ("castings", 150_00 + 11_20),
        ("", 10_05),
    ]
    await firm.pays_all()
    assert await story.differences() == ()


BULK = """
plan = "bulk"
names = { en = "Bulk", zh = "批量版" }
currency = "CNY"

[[price]]
model = "llm"
meter = "input_tokens"
kind = "volume"
per = 1_000_000
tiers = [
    { up_to = 1_000_000, price = "0.50" },
    { up_to = 10_000_000, price = "0.30" },
    { price = "0.20" },
]
"""


async def test_volume_price_bills_all_units_at_the_reached_tier(story: Story) -> None:
    """October: 4 + 8 = 12 million tokens, above 10 million: all at 0.20, 2.40.

    November: 900,000 tokens, up to 1 million: all at 0.50, 0.45. Volume restarts each month.
    """
    firm = await story.firm()
    await firm.subscribe(await story.plan(BULK))
    for day, tokens in ((3, 4_000_000), (30, 8_000_000)):
        story.clock.set(2026, 10, day)
        await firm.use("llm", input_tokens=tokens)
    await story.until(2026, 11, 1, 1)
    await firm.use("llm", input_tokens=900_000)
    await story.until(2026, 12, 1, 1)
    october, november = await firm.invoices()
    assert await firm.lines(october) == [
        ("usage", "llm", "input_tokens", 12_000_000, 0, "2.40"),
    ]
    assert await firm.lines(november) == [("usage", "llm", "input_tokens", 900_000, 0, "0.45")]
    await firm.pays(october, "2.40", "bank-1")
    assert (await firm.pays(november, "0.45", "bank-2")).status == "paid"
    assert await story.differences() == ()


SHARED = """
plan = "shared"
names = { en = "Shared", zh = "共享版" }
currency = "CNY"

[[price]]
model = "small"
meter = "output_tokens"
per = 1_000_000
price = "2.00"

[[price]]
model = "large"
meter = "output_tokens"
per = 1_000_000
price = "8.00"

[[allowance]]
meter = "output_tokens"
quantity = 10_000_000
"""


async def test_shared_allowance_covers_the_most_expensive_model_first(story: Story) -> None:
    """9 million tokens of the small model, then 6 of the large one; 10 million are included.

    The 6 million of the large model (8.00 per million) are covered first, although they were used
    last. The other 4 million cover the small model: 5 million x 2.00 = 10.00. In order of use the
    charge would be 5 x 8.00 = 40.00.
    """
    firm = await story.firm()
    await firm.subscribe(await story.plan(SHARED))
    story.clock.set(2026, 10, 8)
    await firm.use("small", output_tokens=9_000_000)
    story.clock.set(2026, 10, 9)
    await firm.use("large", output_tokens=6_000_000)
    await story.until(2026, 11, 1, 1)
    (cycle,) = await firm.invoices()
    assert await firm.lines(cycle) == [
        ("usage", "small", "output_tokens", 9_000_000, 4_000_000, "10.00"),
        ("usage", "large", "output_tokens", 6_000_000, 6_000_000, "0.00"),
    ]
    assert (await firm.pays(cycle, "10.00")).status == "paid"
    assert await story.differences() == ()


CACHED = """
plan = "cached"
names = { en = "Cached", zh = "缓存版" }
currency = "CNY"

[[price]]
model = "large"
meter = "input_tokens"
per = 1_000_000
price = "5.00"

[[price]]
model = "large"
meter = "cached_input_tokens"
per = 1_000_000
price = "1.00"

[[price]]
model = "mini"
meter = "input_tokens"
per = 1_000_000
price = "4.00"
"""


async def test_cached_input_tokens_are_billed_at_their_own_price(story: Story) -> None:
    """The large model: 3 million input tokens, 1 million of them from the cache.

    2 million uncached x 5.00 = 10.00, 1 million cached x 1.00 = 1.00.
    The mini model has no price for cached tokens, so they cost as input: 2 million x 4.00 = 8.00.
    """
    firm = await story.firm()
    await firm.subscribe(await story.plan(CACHED))
    await firm.use("large", input_tokens=3_000_000, cached_input_tokens=1_000_000)
    await firm.use("mini", input_tokens=2_000_000, cached_input_tokens=1_000_000)
    await story.until(2026, 11, 1, 1)
    (cycle,) = await firm.invoices()
    assert await firm.lines(cycle) == [
        ("usage", "large", "input_tokens", 2_000_000, 0, "10.00"),
        ("usage", "large", "cached_input_tokens", 1_000_000, 0, "1.00"),
        ("usage", "mini", "input_tokens", 2_000_000, 0, "8.00"),
    ]
    assert (await firm.pays(cycle, "19.00")).status == "paid"
    assert await story.differences() == ()
