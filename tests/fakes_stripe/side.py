"""A Stripe to test, the fake or the real one, with a client of the official SDK."""

from dataclasses import dataclass
from typing import Any

import stripe


@dataclass(frozen=True)
class Side:
    """A Stripe to test: the fake or the real one."""

    client: stripe.StripeClient
    real: bool

    async def customer(self, card: str = "pm_card_visa") -> stripe.Customer:
        """Create a customer with the card as default payment method."""
        customers, methods = self.client.v1.customers, self.client.v1.payment_methods
        customer = await customers.create_async({"name": "Acme 精密"})
        method = await methods.attach_async(card, {"customer": customer.id})
        settings: stripe.params.CustomerUpdateParams = {
            "invoice_settings": {"default_payment_method": method.id}
        }
        return await customers.update_async(customer.id, settings)

    async def draft(self, customer: str, *amounts: int) -> stripe.Invoice:
        """Create a draft invoice of the customer with lines of the amounts."""
        v1 = self.client.v1
        draft = await v1.invoices.create_async({"customer": customer, "currency": "usd"})
        for amount in amounts:
            await v1.invoice_items.create_async(
                {"customer": customer, "invoice": draft.id, "amount": amount, "currency": "usd"}
            )
        return await v1.invoices.retrieve_async(draft.id)

    async def opened(self, customer: str, *amounts: int) -> stripe.Invoice:
        draft = await self.draft(customer, *amounts)
        return await self.client.v1.invoices.finalize_invoice_async(draft.id)


def make_client(key: str, url: str | None, http: stripe.HTTPXClient) -> stripe.StripeClient:
    addresses: Any = {} if url is None else {"api": url}
    return stripe.StripeClient(
        key, base_addresses=addresses, max_network_retries=2, http_client=http
    )
