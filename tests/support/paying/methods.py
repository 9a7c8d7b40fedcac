"""How customers pay by each of six methods, and what the gateway hears of it.

enroll -> (the month ends) -> open -> pay -> messages, forged -> credited, differences
"""

import json
import random
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from billing.accounts.collection_method import Collection
from billing.collection.payments.orders import NewOrder, TopUpLimits, open_order
from billing.tables import Invoice, PaymentOrder
from infra import ids
from infra.settings import Settings
from tests.support.billing.making import sql
from tests.support.paying.cards import stores_card
from tests.support.paying.messages import Message, camt_statement, csv_statement, stripe_message
from tests.support.paying.service import CHECKOUT_SECRET, PayingService
from tests.support.stories.story import Firm
from tests.support.stories.stripe_story import CHARGE, SEND

_LIMITS = TopUpLimits.from_settings(Settings(), "CNY")
_ORDERS_PER_FIRM = 3


class Fate(StrEnum):
    """What happens to a payment: notified thrice, never, or of another amount than asked for."""

    NOTIFIED = "notified"
    LOST = "lost"
    WRONG = "wrong"


FATES = (Fate.LOST, Fate.WRONG, *[Fate.NOTIFIED] * 8)


@dataclass
class Paid:
    """A payment of an order or an invoice; `subject` is its name in reconciliation.

    `credited` are the minor units that shall be credited at the end. `is_found` says that
    reconciliation names it before the worker has asked the provider, `remains` also after that.
    """

    firm: Firm
    of: Any
    minor: int
    fate: Fate
    subject: str = ""
    credited: int = 0
    is_found: bool = False
    remains: bool = False


class PaymentMethod(ABC):
    """One method with its customers and payments."""

    name: str
    refusals: tuple[int, ...] = (400,)  # statuses of responses to a forged message

    def __init__(self, service: PayingService, dice: random.Random) -> None:
        self.service = service
        self.dice = dice
        self.payments: list[Paid] = []

    async def enroll(self, count: int) -> None:  # noqa: B027  # an optional step
        """Open accounts, before the month ends, for methods that pay invoices."""

    @abstractmethod
    async def open(self, count: int) -> None:
        """Make `payments`: orders or invoices that are not paid yet."""

    @abstractmethod
    async def pay(self, paid: Paid) -> None:
        """Let the customer pay, as the fate of the payment wants."""

    @abstractmethod
    def message(self, paid: Paid) -> Message:
        """The authentic message of a payment."""

    def copies(self, paid: Paid) -> int:
        """How many authentic messages arrive: three, or none of a payment that is lost."""
        return 0 if paid.fate is Fate.LOST else 3

    def forged(self, paid: Paid) -> Message:
        """The message with another content or another signature."""
        message = self.message(paid)
        body = message.body.replace(b"paid", b"p4id").replace(b"TRADE", b"TR4DE")
        return Message(message.path, body + b" ", message.headers)

    async def end(self) -> None:  # noqa: B027  # an optional step
        """Do what a person does after all messages have arrived."""

    async def confirm_lost(self) -> None:  # noqa: B027  # an optional step
        """Do what finds lost messages, besides the worker's jobs."""


class OrderMethod(PaymentMethod):
    """Top-ups by orders: WeChat Pay, Alipay and Stripe Checkout."""

    async def open(self, count: int) -> None:
        service = self.service
        service.goes_to_now()
        info = service.checkout.require_provider(self.name).info
        for index in range(count):
            if index % _ORDERS_PER_FIRM == 0:
                firm = await service.story.firm(f"{self.name} {index}")
            new = NewOrder(info, None, 500 + 100 * (index % 3))
            async with service.database.transaction() as session:
                place = (session, service.story.clock, firm.account.id)
                order = await open_order(*place, new, _LIMITS)
            order = await service.checkout.request_code(firm.account.id, order.id)
            fate = FATES[index % len(FATES)]
            is_wrong = fate is Fate.WRONG
            self.payments.append(
                Paid(
                    firm,
                    order,
                    order.minor,
                    fate,
                    ids.format_id("pord", order.id),
                    0 if is_wrong else order.minor,
                    fate is not Fate.NOTIFIED,
                    is_wrong,
                )
            )

    async def pay(self, paid: Paid) -> None:
        self.pay_order(paid.of, paid.minor + (paid.fate is Fate.WRONG))

    @abstractmethod
    def pay_order(self, order: PaymentOrder, minor: int) -> None:
        """Pay this amount at the stand-in."""

    @property
    def path(self) -> str:
        return f"/collectors/{self.name}/notifications"


class WeChatPay(OrderMethod):
    """QR codes of WeChat Pay; notifications are encrypted and signed with RSA."""

    name = "wechat_pay"

    def pay_order(self, order: PaymentOrder, minor: int) -> None:
        self.service.wechat_pay.pays(order.number, minor)

    def message(self, paid: Paid) -> Message:
        return Message(self.path, *self.service.wechat_pay.payment_notification(paid.of.number))

    def forged(self, paid: Paid) -> Message:
        message = self.message(paid)
        if self.dice.random() < 0.5:
            return Message(
                self.path, message.body.replace(b"ciphertext", b"ciphertexd"), {**message.headers}
            )
        return Message(
            self.path, message.body, {**message.headers, "wechatpay-signature": "c2lnbmF0dXJl"}
        )


class Alipay(OrderMethod):
    """QR codes of Alipay; notifications are forms signed with RSA2."""

    name = "alipay"

    def pay_order(self, order: PaymentOrder, minor: int) -> None:
        self.service.alipay.pays(order.number, minor)

    def message(self, paid: Paid) -> Message:
        return Message(self.path, *self.service.alipay.payment_notification(paid.of.number))

    def forged(self, paid: Paid) -> Message:
        message = self.message(paid)
        body = message.body.replace(b"total_amount=", b"total_amount=9")
        return Message(self.path, body, message.headers)


class StripeCheckoutTopUp(OrderMethod):
    """Top-ups on a page of Stripe Checkout."""

    name = "stripe_checkout"

    def pay_order(self, order: PaymentOrder, minor: int) -> None:
        stripe = self.service.stripe
        session = self._session(order)
        stripe.account.get("checkout.session", session["id"], "id")["amount_total"] = minor
        stripe.complete_checkout(session["id"])

    def message(self, paid: Paid) -> Message:
        event = {"id": f"evt_{paid.of.number}", "type": "checkout.session.completed"}
        session = self._session(paid.of)
        return stripe_message(self.path, {**event, "data": {"object": session}}, CHECKOUT_SECRET)

    def _session(self, order: PaymentOrder) -> Mapping[str, Any]:
        objects = self.service.stripe.objects
        (found,) = objects("checkout.session", client_reference_id=order.number)
        return found


class InvoiceMethod(PaymentMethod):
    """Invoices of a month's usage, one for each customer."""

    collection: Collection | None = None

    def __init__(self, service: PayingService, dice: random.Random) -> None:
        super().__init__(service, dice)
        self.firms: list[Firm] = []

    async def enroll(self, count: int) -> None:
        for index in range(count):
            values = {} if self.collection is None else {"collection": self.collection}
            firm = await self.service.story.firm(f"{type(self).__name__} 第{index}公司", **values)
            await firm.billed(email=f"pay{index}@firm.example", locale="en")
            await self.prepare(firm)
            await firm.use("vib", rows=5_000 + 1_000 * (index % 3))
            self.firms.append(firm)

    async def prepare(self, firm: Firm) -> None:
        """Do what a customer does before the first invoice."""

    async def open(self, count: int) -> None:
        for index, firm in enumerate(self.firms):
            (invoice,) = [one for one in await firm.invoices() if one.total]
            fate = FATES[index % len(FATES)]
            subject = ids.format_id("inv", invoice.id)
            self.payments.append(self.plan(Paid(firm, invoice, invoice.total, fate, subject)))

    def plan(self, paid: Paid) -> Paid:
        """Set what shall become of a payment."""
        paid.credited, paid.is_found = paid.minor, paid.fate is not Fate.NOTIFIED
        return paid


class StripeInvoices(InvoiceMethod):
    """Invoices that Stripe collects."""

    name = "stripe"

    def message(self, paid: Paid) -> Message:
        event = self.service.stripe.event_of("invoice.paid", paid.of.external_invoice)
        return stripe_message("/stripe/webhook", event, self.service.stripe_secret)

    def plan(self, paid: Paid) -> Paid:
        super().plan(paid)
        paid.subject, paid.remains = str(paid.of.id), paid.fate is Fate.WRONG
        return paid


class StripeCard(StripeInvoices):
    """Saved cards, which Stripe charges; a wrong one has another total at Stripe afterwards."""

    collection = CHARGE

    async def prepare(self, firm: Firm) -> None:
        await stores_card(self.service, firm)

    async def pay(self, paid: Paid) -> None:
        """The worker has charged the card."""
        if paid.fate is Fate.WRONG:
            account = self.service.stripe.account
            account.get("invoice", paid.of.external_invoice, "invoice")["total"] += 1


class StripeAlipay(StripeInvoices):
    """Invoices that Stripe sends, paid by Alipay on their page.

    A wrong one is marked as paid at Stripe, without a payment.
    """

    collection = SEND

    async def pay(self, paid: Paid) -> None:
        stripe, collector = self.service.stripe, self.service.worker.collector
        assert collector is not None
        if paid.fate is Fate.WRONG:
            await collector.mark_paid(f"wrong:{paid.of.id.hex}", paid.of.external_invoice)
        else:
            stripe.pay_hosted_invoice(paid.of.external_invoice, "alipay")

    def plan(self, paid: Paid) -> Paid:
        super().plan(paid)
        paid.credited = 0 if paid.fate is Fate.WRONG else paid.minor
        return paid


class BankTransfer(InvoiceMethod):
    """Bank transfers, each in statements as CSV and as camt.053, imported by the Admin API.

    A wrong one is of another amount than its invoice, so that nobody but a person confirms it.
    """

    name = "bank"
    refusals = (401, 429)  # after twenty wrong keys, their network is locked out for a time

    async def pay(self, paid: Paid) -> None:
        """The customer's bank knows it; there is nothing to do here."""

    def plan(self, paid: Paid) -> Paid:
        super().plan(paid)
        is_wrong = paid.fate is Fate.WRONG
        paid.credited, paid.is_found, paid.remains = (
            0 if is_wrong else paid.minor,
            is_wrong,
            is_wrong,
        )
        return paid

    def message(self, paid: Paid) -> Message:
        return self._statement(paid, self.service.admin_key)

    def forged(self, paid: Paid) -> Message:
        return self._statement(paid, self.service.admin_key[:-4] + "AAAA")

    async def end(self) -> None:
        """Confirm the exact lines, and note by which names reconciliation calls the others."""
        confirm = Message("/v1/admin/bank_lines/confirm_exact", b"{}", self._headers())
        assert await self.service.receives(confirm) == 200
        rows = await sql(self.service.database, "select reference, id::text from bank_line")
        names = {reference: name for reference, name in rows}
        for paid in self.payments:
            paid.subject = names.get(self._reference(paid), "")

    async def confirm_lost(self) -> None:
        """Import the next statement, which has the lines that were lost."""
        for paid in self.payments:
            if paid.fate is Fate.LOST:
                assert await self.service.receives(self.message(paid)) == 200
        await self.end()

    def _statement(self, paid: Paid, key: str) -> Message:
        invoice: Invoice = paid.of
        write = self.dice.choice((csv_statement, camt_statement))
        minor = paid.minor + (paid.fate is Fate.WRONG)
        text = f"MAAS-{invoice.number or 0:06d}"
        content = write(self._reference(paid), minor, paid.firm.account.name, text)
        body = {"name": "statement", "content": content, "account": "3901"}
        headers = {**self._headers(), "authorization": f"Bearer {key}"}
        return Message("/v1/admin/bank_lines/import", json.dumps(body).encode(), headers)

    def _headers(self) -> dict[str, str]:
        key = self.service.admin_key
        return {"authorization": f"Bearer {key}", "content-type": "application/json"}

    @staticmethod
    def _reference(paid: Paid) -> str:
        return f"R{paid.of.number}"


SIX_METHODS: tuple[type[PaymentMethod], ...] = (
    StripeCard,
    StripeAlipay,
    WeChatPay,
    Alipay,
    BankTransfer,
    StripeCheckoutTopUp,
)
