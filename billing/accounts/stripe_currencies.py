"""Collectable: what Stripe can collect: in which currencies, and how little.

Pure.
"""

from billing.money import currency_exponent

# Stripe wants amounts of the first two with two decimals and of the third with none; ISO 4217
# has it the other way round.
_COUNTED_OTHERWISE = frozenset({"ISK", "UGX", "MGA"})
# What Stripe charges at least, in minor units. An invoice of less it takes for paid and adds to
# the customer's next one, which then is not the amount of ours.
_LEAST = {
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


def is_collectable(currency: str) -> bool:
    """Whether Stripe counts amounts of the currency as we do.

    Of three decimals it takes amounts whose last is 0 only, which a bill is by chance.
    """
    return currency_exponent(currency) in (0, 2) and currency not in _COUNTED_OTHERWISE


def least_collected(currency: str) -> int:
    """The smallest amount that Stripe charges, in minor units; 1 where we do not know."""
    return _LEAST.get(currency, 1)
