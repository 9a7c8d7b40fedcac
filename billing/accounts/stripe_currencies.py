"""Which currencies Stripe can collect for us, and its minimum charge per currency."""

from billing.money import currency_exponent

# Stripe takes ISK and UGX with two decimals and MGA with none; ISO 4217 has it the other way round.
_DIFFERENT_MINOR_UNITS = frozenset({"ISK", "UGX", "MGA"})
# Stripe's minimum charges, in minor units. Stripe marks a smaller invoice as paid and adds its
# amount to the customer's next invoice, whose total then differs from ours.
_MINIMUM_CHARGES = {
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
}


def is_stripe_currency(currency: str) -> bool:
    """Return whether Stripe uses the same minor units for the currency as ISO 4217.

    Currencies with three decimals are excluded: Stripe requires their last digit to be 0.
    """
    return currency_exponent(currency) in (0, 2) and currency not in _DIFFERENT_MINOR_UNITS


def stripe_minimum_charge(currency: str) -> int:
    """Return the smallest amount that Stripe charges, in minor units; 1 if unknown."""
    return _MINIMUM_CHARGES.get(currency, 1)
