"""`maas plans changes`: preview, announcement, list and withdrawal of a plan's new prices."""

from datetime import UTC, datetime, timedelta

from tests.support.gateway.commands import Maas

PLAIN = """
plan = "plain"
names = { en = "Plain", zh = "基础版" }
currency = "CNY"
fixed_fee = "310.00"
list_prices = true
"""


async def test_price_change_is_previewed_announced_and_withdrawn(maas: Maas) -> None:
    await maas.publish("plain", PLAIN)
    await maas.say("subscribe", "Acme", "plain")
    await maas.publish("plain", PLAIN.replace("310.00", "341.00"))
    preview = await maas.say("plans", "changes", "preview", "plain")
    (row,) = preview["accounts"]
    assert (row["account"], row["number"]) == ("Acme", 1)
    assert (row["fee"], row["new_fee"]) == ("310.00", "341.00")
    day = (datetime.now(UTC) + timedelta(days=40)).date().isoformat()
    announced = await maas.say("plans", "changes", "announce", "plain", "--effective", day)
    assert (announced["number"], announced["accounts"]) == (2, {"announced": 1})
    soon = ("plans", "changes", "announce", "plain", "--effective")
    assert await maas.refuse(*soon, "2020-01-01") == "price_change_invalid"
    assert await maas.refuse(*soon, "soon") == "price_change_invalid"
    assert "announced" in await maas.tell("plans", "changes", "list")
    told = await maas.tell("plans", "changes", "withdraw", announced["id"])
    assert "withdrawn" in told
    for unknown in (announced["id"], "prc_x"):
        refused = await maas.refuse("plans", "changes", "withdraw", unknown)
        assert refused == "price_change_not_found"
