"""Stripe's name, hosted pages, currencies and minimum charges."""

from billing.collection.collector import CollectorInfo
from billing.collection.payments.provider import ProviderInfo

STRIPE = CollectorInfo(
    name="stripe",
    label="Stripe",
    webhook_path="/stripe/webhook",
    page_origins=(
        "https://checkout.stripe.com",
        "https://billing.stripe.com",
        "https://invoice.stripe.com",
    ),
    # Not currencies with three decimals: Stripe requires their last digit to be 0.
    exponents=frozenset({0, 2}),
    # Stripe takes ISK and UGX with two decimals and MGA with none; ISO 4217 the other way round.
    unsupported=frozenset({"ISK", "UGX", "MGA"}),
    # Stripe marks a smaller invoice as paid and adds its amount to the customer's next invoice,
    # whose total then differs from ours.
    minimum_charges={
        **dict.fromkeys("AUD BRL CAD CHF EUR INR NZD SGD USD".split(), 50),
        **dict.fromkeys("AED MYR PLN RON".split(), 200),
        **dict.fromkeys("CNY HKD".split(), 400),
        **dict.fromkeys("NOK SEK".split(), 300),
        **dict.fromkeys("MXN THB".split(), 1000),
        "CZK": 1500,
        "DKK": 250,
        "GBP": 30,
        "HUF": 17500,
        "JPY": 50,
    },
    max_items=250,
    previous_actions={
        "stripe_invoice": "collect",
        "stripe_pay": "charge",
        "stripe_send": "send",
        "stripe_part_paid": "mark_part_paid",
        "stripe_credit": "credit",
        "stripe_paid_elsewhere": "mark_paid",
        "stripe_void": "void",
        "stripe_give_up": "write_off",
    },
)
# In currencies whose smallest charge is known, as for invoices.
STRIPE_CHECKOUT = ProviderInfo(
    name="stripe_checkout",
    label="Stripe Checkout",
    notification_path="/collectors/stripe_checkout/notifications",
    acknowledgement="{}",
    acknowledgement_type="application/json",
    currencies=frozenset(STRIPE.minimum_charges),
)
