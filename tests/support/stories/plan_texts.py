"""Plan files shared by several stories."""

# Output tokens of `llm` cost 2.00 a million at list prices, input 0.50, cached input 0.10.
GROWTH = """
plan = "growth"
names = { en = "Growth", zh = "成长版" }
currency = "CNY"
fixed_fee = "310.00"
list_prices = true

[[allowance]]
model = "llm"
meter = "output_tokens"
quantity = 310_000
"""

# Twice the fee and the allowance; output tokens at half the list price.
SCALE = """
plan = "scale"
names = { en = "Scale", zh = "规模版" }
currency = "CNY"
fixed_fee = "620.00"

[[price]]
model = "llm"
meter = "output_tokens"
per = 1_000_000
price = "1.00"

[[allowance]]
model = "llm"
meter = "output_tokens"
quantity = 620_000
"""

# Thrice the fee; everything at list prices.
MAX = """
plan = "max"
names = { en = "Max", zh = "旗舰版" }
currency = "CNY"
fixed_fee = "930.00"
list_prices = true
"""
