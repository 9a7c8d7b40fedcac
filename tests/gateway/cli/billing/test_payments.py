"""`maas payments` and what `maas reconcile` says of payment orders."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import gateway.cli.runner
from tests.support.gateway.commands import Maas
from tests.support.stories.payment_story import PaymentStory, run_stand_ins

_SETTINGS = ("wechat_pay", "alipay", "public_url")


@pytest.fixture
async def paying(
    maas: Maas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[PaymentStory]:
    """Stand-ins of both providers, which the commands use by their settings."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    story = maas.firm.story
    monkeypatch.setattr(gateway.cli.runner, "SystemClock", lambda: story.clock)
    async with run_stand_ins(tmp_path) as stand_ins:
        told = stand_ins.tell(story)
        for name, value in told.settings.model_dump().items():
            if name.startswith(_SETTINGS) and value is not None:
                text = getattr(value, "get_secret_value", lambda value=value: str(value))()
                monkeypatch.setenv(f"MAAS_{name.upper()}", text)
        yield told


async def test_operator_lists_refunds_queries_and_resolves_payments(
    maas: Maas, paying: PaymentStory
) -> None:
    firm = maas.firm
    first = await paying.orders(firm, "wechat_pay", amount="20.00")
    second = await paying.orders(firm, "alipay", amount="30.00")
    wrong = await paying.orders(firm, "alipay", amount="40.00")
    await paying.is_paid(first)
    paying.alipay.pays(second.number)
    await paying.is_paid(wrong, 3999)

    listed = await maas.say("payments", "list")
    assert [one["status"] for one in listed] == ["failed", "pending", "paid"]
    failed = await maas.say("payments", "list", "--state", "failed")
    assert [one["number"] for one in failed] == [wrong.number]
    assert (await maas.say("payments", "show", f"pord_{first.id.hex}"))["amount"] == "20.00"
    assert await maas.refuse("payments", "show", "pord_1") == "payment_order_not_found"

    refund = ("payments", "refund", f"pord_{first.id.hex}", "5.00", "--reason", "goodwill")
    refunded = await maas.say(*refund, "--reference", "r-1")
    assert (refunded["refunded"], refunded["refunds"][0]["status"]) == ("5.00", "pending")
    assert (await maas.say(*refund, "--reference", "r-1"))["refunded"] == "5.00"
    assert await maas.refuse(*refund[:3], "15.01", *refund[4:], "--reference", "r-2") == (
        "refund_invalid"
    )
    queried = await maas.say("payments", "query", f"pord_{second.id.hex}")
    assert (queried["status"], queried["credited_to"]) == ("paid", "wallet")
    queried = await maas.say("payments", "query", f"pord_{first.id.hex}")
    assert [one["status"] for one in queried["refunds"]] == ["succeeded"]
    paying.alipay.ledger.status = 503
    query = ("payments", "query", f"pord_{second.id.hex}")
    assert await maas.refuse(*query) == "payment_provider_unavailable"
    paying.alipay.ledger.status = 200

    (found,) = await maas.say("payments", "discrepancies")
    assert (found["kind"], found["amount"]) == ("amount", "39.99")
    resolve = ("payments", "resolve", found["id"], "--reason", "agreed", "--credit")
    assert (await maas.say(*resolve))["resolution"] == "agreed"
    assert await maas.refuse(*resolve) == "payment_discrepancy_state_wrong"
    unknown = ("payments", "resolve", "x", "--reason", "agreed")
    assert await maas.refuse(*unknown) == "payment_discrepancy_not_found"
    assert await firm.wallet() == "84.99"
    audit = await maas.tell("payments", "keys")
    assert "none" in audit


async def test_reconcile_finds_payments_that_are_not_recorded(
    maas: Maas, paying: PaymentStory
) -> None:
    order = await paying.orders(maas.firm, "wechat_pay", amount="20.00")
    paying.wechat_pay.pays(order.number)
    code, out = await maas.run("reconcile")
    assert code == 1
    assert "Payment orders equal the provider's payments" in out
    assert await paying.polls(minutes=1) == (1, 0)
    code, out = await maas.run("reconcile")
    assert code == 0, out
    paying.wechat_pay.ledger.status = 503
    assert await maas.refuse("reconcile") == "payment_provider_unavailable"
