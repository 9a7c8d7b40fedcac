"""JSON of orders, refunds and discrepancies, and the job that polls."""

import httpx
import pytest

from billing.collection.payments.checkout import Checkout
from billing.collection.payments.discrepancies import list_open_discrepancies, resolve_discrepancy
from billing.collection.payments.orders import PaymentMethodUnavailable
from billing.collection.payments.providers import create_payment_providers
from billing.collection.payments.views import (
    discrepancy_json,
    operator_order_json,
    payment_order_json,
)
from billing.outbox import RetryLater
from billing.reports.platform_status import LabelledCount, read_platform_status
from billing.schedule import Worker
from infra import ids
from infra.outbound.mail import Mailer
from infra.settings import Settings
from tests.support.billing.notifying import make_dispatcher
from tests.support.builders import SEALER
from tests.support.stories.payment_story import PaymentStory


def worker(paying: PaymentStory) -> Worker:
    mailer, clock = Mailer(None, paying.keys_dir), paying.story.clock
    dispatcher = make_dispatcher(paying.database, clock)
    place = (paying.database, clock, mailer, "x@y.example", SEALER, dispatcher)
    return Worker(*place, payments=paying.poller)


async def test_views_show_what_customers_and_operators_need(paying: PaymentStory) -> None:
    firm, invoice = await paying.invoiced()
    order = await paying.orders(firm, "wechat_pay", invoice)
    waiting = payment_order_json(order, [])
    assert (waiting["status"], waiting["code_url"]) == ("pending", order.code)
    assert waiting["invoice"] == ids.format_id("inv", invoice.id)
    await paying.is_paid(order)
    paying.wechat_pay.ledger.rejection = "NOT_ENOUGH"
    await paying.refunds(order, 600, reason="one machine")
    await worker(paying).poll_payments()
    paid, refunds = await paying.reads(order), await paying.refunds_of(order)
    shown = operator_order_json(paid, refunds)
    assert (shown["status"], shown["code_url"], shown["refunded"]) == ("paid", None, "6.00")
    assert shown["refunds"][0]["reason"] == "one machine"
    assert shown["refund_errors"] == ["WeChat Pay rejected the request: NOT_ENOUGH."]
    assert (shown["number"], shown["next_query_at"]) == (order.number, None)


async def test_discrepancy_is_shown_and_resolved_without_credit(paying: PaymentStory) -> None:
    firm = await paying.story.firm()
    order = await paying.orders(firm, "alipay", amount="20.00")
    await paying.is_paid(order, 1900)
    clock = paying.story.clock
    async with paying.database.transaction() as session:
        status = await read_platform_status(session, clock.now())
        (found,) = await list_open_discrepancies(session)
        shown = discrepancy_json(found)
    assert (shown["kind"], shown["amount"], shown["resolved_at"]) == ("amount", "19.00", None)
    assert status.payment_discrepancies == [LabelledCount(("alipay",), 1)]
    async with paying.database.transaction() as session:
        await resolve_discrepancy(session, clock, found.id, "refunded at Alipay", credit=False)
    async with paying.database.transaction() as session:
        assert await list_open_discrepancies(session) == []
    assert await firm.wallet() == "0.00"


async def test_provider_that_does_not_answer_is_polled_again(paying: PaymentStory) -> None:
    firm = await paying.story.firm()
    order = await paying.orders(firm, "alipay", amount="20.00")
    paying.alipay.pays(order.number)
    paying.alipay.ledger.status = 503
    assert await paying.polls(minutes=1) == (1, 0)
    assert await paying.polls(seconds=59) == (0, 0)
    paying.alipay.ledger.status = 200
    assert await paying.polls(seconds=1) == (1, 0)
    assert await firm.wallet() == "20.00"
    infos = paying.checkout.providers.infos
    assert [info.name for info in infos] == ["wechat_pay", "alipay"]
    assert paying.checkout.providers.infos_for("USD") == ()


async def test_order_without_a_code_or_a_readable_answer_waits(
    paying: PaymentStory, monkeypatch: pytest.MonkeyPatch
) -> None:
    firm = await paying.story.firm()
    order = await paying.opens(firm, "wechat_pay", amount="20.00")
    provider = paying.checkout.require_provider("wechat_pay")

    async def answer(_client: object, *_: object, **__: object) -> httpx.Response:
        return httpx.Response(502, content=b"<html>")

    async def nothing(_client: object, *_: object, **__: object) -> dict[str, str]:
        return {}

    kind = type(provider._client)  # type: ignore[attr-defined]
    monkeypatch.setattr(kind, "post", nothing)
    with pytest.raises(RetryLater, match="no code"):
        await paying.checkout.request_code(firm.account.id, order.id)
    monkeypatch.undo()
    monkeypatch.setattr(httpx.AsyncClient, "request", answer)
    with pytest.raises(RetryLater, match="502"):
        await paying.checkout.request_code(firm.account.id, order.id)


async def test_without_configured_providers_no_method_is_available(paying: PaymentStory) -> None:
    clock = paying.story.clock
    checkout = Checkout(paying.database, clock, create_payment_providers(Settings(), clock))
    assert checkout.providers.names == ()
    with pytest.raises(PaymentMethodUnavailable):
        checkout.require_provider("alipay")
    await checkout.close()
