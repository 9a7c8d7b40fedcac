"""Contract files used by tests."""

EVENT = """
contract = "pumps"
names = { en = "Pumps", zh = "水泵" }
currency = "CNY"
effect = "A failure that was foreseen."
meter = "Work orders"
attesters = ["customer_system", "sign_off"]
starts_at = 2026-11-01T00:00:00
deadlines = { dispute_days = 14, answer_days = 10, reversal_days = 30 }
event = { lead_hours = 24, window_hours = 336, apart_hours = 720 }
price = { price = "1800.00" }
"""
MEASURE = """
contract = "energy"
names = { en = "Energy", zh = "能耗" }
currency = "CNY"
effect = "Less electricity for the same parts."
meter = "Meter 4711"
attesters = ["neutral_sensor"]
starts_at = 2026-11-01T00:00:00
ends_at = 2027-11-01T00:00:00
deadlines = { dispute_days = 14, answer_days = 10, reversal_days = 0 }

[measure]
unit = "kWh"
direction = "less"
variables = [{ name = "parts", unit = "pcs" }]

[share]
percent = "30"
unit_value = "0.68"
"""
