"""`maas subscriptions add-ons|set-add-on`, `invoices pay-from-wallet` and budgets of a key."""

from tests.support.gateway.commands import PLAIN, Maas

ADD_ON = """
[[add_on]]
name = "seat"
names = { en = "Seat", zh = "席位" }
fee = "31.00"
max_quantity = 5
"""


async def test_operator_sets_an_add_on_and_pays_its_invoice_from_the_wallet(maas: Maas) -> None:
    await maas.publish("plain", PLAIN + ADD_ON)
    await maas.say("subscribe", "Acme", "plain")
    change = ("subscriptions", "set-add-on", "Acme", "seat")
    preview = await maas.say(*change, "2", "--preview")
    bought = await maas.say(*change, "2", "--key", "k-1")
    assert await maas.say(*change, "2", "--key", "k-1") == bought
    (row,) = await maas.say("subscriptions", "add-ons", "Acme")
    assert (row["add_on"], row["quantity"], row["fee"]) == ("seat", 2, "31.00")
    (invoice,) = bought["invoices"]
    await maas.firm.tops_up("100", "top-up")
    pay = ("invoices", "pay-from-wallet", "Acme", invoice, "--reference", "r-1")
    paid = await maas.say(*pay)
    assert (paid["status"], paid["paid"]) == ("paid", preview["total"])
    assert (await maas.say(*pay))["paid"] == "0.00"
    assert await maas.refuse(*change, "9") == "add_on_quantity_invalid"
    removed = await maas.say(*change, "0")
    assert (removed["add_ons"], removed["credited"]) == ([], preview["total"])


async def test_operator_sets_budgets_of_a_key(maas: Maas) -> None:
    key = (await maas.say("keys", "create", "Acme"))["id"]
    limits = ("limits", "set", "Acme", "--key", key)
    rows = await maas.say(*limits, "--daily-budget", "2", "--total-budget", "30.5")
    budgets = {row["of"]: row["limit"] for row in rows if row["kind"] == "budget"}
    assert budgets == {"day": "2.000000000", "total": "30.500000000"}
    rows = await maas.say(*limits, "--daily-budget", "none")
    assert [row["limit"] for row in rows if row["of"] == "day"] == [None]
    assert await maas.refuse("limits", "set", "Acme", "--daily-budget", "2") == "limit_invalid"
