"""`maas packs` and `maas vouchers`."""

from pathlib import Path

from tests.support.gateway.commands import Maas

PACK = """
pack = "rows_1000"
names = { en = "1,000 rows", zh = "1000 行" }
currency = "CNY"
meter = "rows"
units = 1_000
price = "0.80"
validity_days = 30
"""


async def test_operator_offers_sells_and_refunds_a_pack(maas: Maas, tmp_path: Path) -> None:
    file = tmp_path / "pack.toml"
    file.write_text(PACK, "utf-8")
    assert (await maas.say("packs", "publish", str(file)))["offered"] is True
    file.write_text(PACK.replace('meter = "rows"', 'meter = "calls"'), "utf-8")
    assert await maas.refuse("packs", "publish", str(file)) == "pack_invalid"
    await maas.firm.tops_up("5", "start")
    name = maas.firm.account.name
    bought = await maas.say("packs", "buy", name, "rows_1000", "--reference", "order-1")
    again = await maas.say("packs", "buy", name, "rows_1000", "--reference", "order-1")
    assert bought["id"] == again["id"]
    (listed,) = await maas.say("packs", "purchases")
    assert (listed["status"], listed["remaining"]) == ("active", 1_000)
    refund = await maas.say("packs", "refund", bought["id"], "--reason", "not needed")
    assert (refund["units"], refund["amount"]) == (1_000, "0.80")
    (own,) = await maas.say("packs", "purchases", "--account", name)
    assert own["status"] == "refunded"
    await maas.say("packs", "withdraw", "rows_1000")
    assert [one["offered"] for one in await maas.say("packs", "list")] == [False]
    unknown = f"pack_{'0' * 32}"
    code = await maas.refuse("packs", "refund", unknown, "--reason", "x")
    assert code == "pack_purchase_not_found"


async def test_operator_creates_redeems_and_cancels_vouchers(maas: Maas) -> None:
    terms = ("--codes", "2", "--expires-at", "2030-01-01", "--amount", "20.00")
    made = await maas.say("vouchers", "create", "Fair", *terms)
    assert len(made["codes"]) == 2
    redeemed = await maas.say("vouchers", "redeem", maas.firm.account.name, made["codes"][0])
    assert redeemed["amount"] == "20.00"
    (report,) = await maas.say("vouchers", "list")
    assert (report["redeemed"], report["outstanding"]) == (1, 1)
    await maas.say("vouchers", "cancel", made["id"])
    code = await maas.refuse("vouchers", "redeem", maas.firm.account.name, made["codes"][1])
    assert code == "voucher_not_redeemable"
    assert await maas.refuse("vouchers", "cancel", "vbatch_1") == "voucher_batch_not_found"
