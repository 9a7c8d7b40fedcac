"""`maas deferred-revenue`: the totals of a month, and the single fees as a CSV file."""

from tests.support.gateway.commands import Maas

YEARLY = """
plan = "yearly"
names = { en = "Yearly", zh = "年付版" }
currency = "CNY"
fixed_fee = "3650.00"
interval = "year"
list_prices = true
"""


async def test_current_month_shows_totals_and_writes_the_fees(maas: Maas) -> None:
    await maas.publish("yearly", YEARLY)
    await maas.say("subscribe", "Acme", "yearly")
    file = maas.folder / "fees.csv"
    (row,) = await maas.say("deferred-revenue", "--out", str(file))
    assert (row["currency"], row["opening"], row["prepaid"]) == ("CNY", "0.00", "0.00")
    assert float(row["recognized"]) + float(row["closing"]) == float(row["invoiced"]) > 0
    assert len(file.read_text().splitlines()) == 2
    assert "CNY" in await maas.tell("deferred-revenue")
    assert await maas.say("deferred-revenue", "--month", "2020-02") == []
