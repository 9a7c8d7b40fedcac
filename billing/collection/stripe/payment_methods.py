"""Payment method types by currency, for Checkout and for invoices that Stripe sends."""

from collections.abc import Mapping
from types import MappingProxyType

from infra.settings import Settings, SettingsInvalid

PaymentMethods = Mapping[str, tuple[str, ...]]
NO_PAYMENT_METHODS: PaymentMethods = MappingProxyType({})
# Currencies in which Stripe offers these methods; other methods are Stripe's to check.
_CURRENCIES: Mapping[str, frozenset[str]] = {
    "alipay": frozenset("AUD CAD CNY EUR GBP HKD JPY MYR NZD SGD USD".split()),
    "wechat_pay": frozenset("AUD CAD CHF CNY DKK EUR GBP HKD JPY NOK SEK SGD USD".split()),
}


def parse_payment_methods(settings: Settings) -> PaymentMethods:
    """Return the configured payment method types by currency.

    Raises SettingsInvalid if Alipay or WeChat Pay is named for a currency that Stripe does not take
    by it.
    """
    methods: dict[str, tuple[str, ...]] = {}
    for entry in (settings.stripe_payment_methods or "").split(";"):
        currency, _, names = entry.partition("=")
        if not currency:
            continue
        methods[currency] = tuple(dict.fromkeys(name for name in names.split(",") if name))
        for name in methods[currency]:
            if currency not in _CURRENCIES.get(name, {currency}):
                raise SettingsInvalid(
                    f"MAAS_STRIPE_PAYMENT_METHODS: Stripe does not take {currency} by {name}."
                )
    return methods
