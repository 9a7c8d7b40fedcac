"""A payment collector in memory, for tests of the calls that every collector gets."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from billing.collection.collector import (
    CollectedPayment,
    CollectorEvent,
    CollectorInfo,
    CollectorUpdate,
    CreditRequest,
    CustomerRequest,
    ExternalInvoice,
    InvoiceChanged,
    InvoiceRequest,
    PartPayment,
    PaymentDeclined,
    PaymentMethodPage,
    PaymentMethodStored,
)

MEMORY = CollectorInfo(
    name="memory",
    label="Memory",
    webhook_path="/collectors/memory/webhook",
    page_origins=("https://memory.example",),
    exponents=frozenset({0, 2, 3}),
    unsupported=frozenset(),
    minimum_charges={},
    max_items=100,
)


@dataclass
class MemoryCollector:
    """Customers and invoices by id, and the idempotency keys of all writes."""

    customers: dict[str, CustomerRequest] = field(default_factory=dict)
    methods: dict[str, str] = field(default_factory=dict)
    invoices: dict[str, ExternalInvoice] = field(default_factory=dict)
    payments: dict[str, list[CollectedPayment]] = field(default_factory=dict)
    keys: list[str] = field(default_factory=list)

    @property
    def info(self) -> CollectorInfo:
        return MEMORY

    async def close(self) -> None:
        self.keys.append("close")

    async def register_customer(
        self, key: str, customer: CustomerRequest, *, is_retry: bool = False
    ) -> str:
        self.keys.append(key)
        self.customers[f"c_{customer.account_id.hex}"] = customer
        return f"c_{customer.account_id.hex}"

    async def use_payment_method(self, key: str, stored: PaymentMethodStored) -> None:
        self.keys.append(key)
        self.methods[stored.customer] = stored.payment_method

    async def find_invoice(self, customer: str, invoice_id: UUID) -> ExternalInvoice | None:
        return self.invoices.get(f"i_{invoice_id.hex}")

    async def retrieve_invoice(self, external_id: str) -> ExternalInvoice:
        return self.invoices[external_id]

    async def invoice(
        self, invoice: InvoiceRequest, existing: ExternalInvoice | None
    ) -> ExternalInvoice:
        made = ExternalInvoice(
            id=f"i_{invoice.invoice_id.hex}",
            status="open",
            total=sum(item.minor for item in invoice.items),
            due=invoice.amount_due,
            remaining=invoice.amount_due,
            paid=0,
            credited_after_payment=0,
            currency=invoice.currency,
            our_invoice_id=invoice.invoice_id.hex,
            customer=invoice.customer,
        )
        self.invoices[made.id] = existing or made
        return self.invoices[made.id]

    async def charge(self, key: str, external_id: str) -> None:
        self.keys.append(key)
        if self.invoices[external_id].customer not in self.methods:
            raise PaymentDeclined("no_payment_method")
        self.pay(external_id)

    def pay(self, external_id: str) -> None:
        """Pay the remaining amount of an invoice."""
        invoice = self.invoices[external_id]
        payments = self.payments.setdefault(external_id, [])
        payments.append(CollectedPayment(f"{external_id}:{len(payments)}", invoice.remaining))
        self._change(external_id, status="paid", remaining=0, paid=invoice.remaining)

    async def send(self, key: str, external_id: str) -> None:
        self.keys.append(key)

    async def mark_paid(self, key: str, external_id: str) -> None:
        self.keys.append(key)
        self._change(external_id, status="paid", remaining=0)

    async def mark_part_paid(
        self, key: str, invoice: ExternalInvoice, payment: PartPayment
    ) -> None:
        self.keys.append(key)
        self._change(invoice.id, remaining=invoice.remaining - payment.minor)

    async def void(self, key: str, external_id: str) -> None:
        self.keys.append(key)
        self._change(external_id, status="void")

    async def write_off(self, key: str, external_id: str) -> None:
        self.keys.append(key)
        self._change(external_id, status="uncollectible")

    async def credit(self, key: str, invoice: ExternalInvoice, credit: CreditRequest) -> None:
        self.keys.append(key)
        reduced = credit.total - credit.to_wallet - credit.refunded
        self._change(invoice.id, remaining=invoice.remaining - reduced)

    async def list_payments(self, external_id: str) -> Sequence[CollectedPayment]:
        return self.payments.get(external_id, [])

    async def hosted_page(self, external_id: str) -> str | None:
        return f"https://memory.example/pay/{external_id}"

    async def payment_method_page(self, key: str, page: PaymentMethodPage) -> str:
        return f"https://memory.example/setup/{page.customer}"

    async def portal_page(self, customer: str, return_url: str) -> str:
        return f"https://memory.example/portal/{customer}"

    async def events(self, since: datetime) -> Sequence[CollectorEvent]:
        return []

    async def interpret(self, event: CollectorEvent) -> CollectorUpdate | None:
        match event.payload:
            case {"invoice": str(external_id)}:
                return InvoiceChanged(external_id)
            case {"customer": str(customer), "method": str(method)}:
                return PaymentMethodStored(customer, method, occasion=event.id)
        return None

    def _change(self, external_id: str, **values: object) -> None:
        self.invoices[external_id] = replace(self.invoices[external_id], **values)  # type: ignore[arg-type]
