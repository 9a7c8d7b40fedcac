"""Plans with a spend cap and included units."""

BASIC = """
plan = "basic"
names = { en = "Basic", zh = "基础版" }
currency = "CNY"
fixed_fee = "310.00"
spend_cap = "50.00"
list_prices = true

[[allowance]]
model = "llm"
meter = "output_tokens"
quantity = 310_000
"""

LARGE = (
    BASIC.replace('"basic"', '"large"')
    .replace("310.00", "930.00")
    .replace("50.00", "200.00")
    .replace("310_000", "930_000")
)

TRIAL = BASIC.replace('"310.00"', '"310.00"\ntrial_days = 14')
