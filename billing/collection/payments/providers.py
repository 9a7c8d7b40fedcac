"""Registry of the payment providers for single payments, and those that a process has configured.

A new provider is a package beside `wechat_pay/`, `alipay/` and `stripe/` that implements
`PaymentProvider`, and an entry in PROVIDERS. Notification routes, labels and stored names follow
from the entry. A provider without credentials in the settings is off.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from billing.collection.alipay.info import ALIPAY
from billing.collection.alipay.provider import create_alipay
from billing.collection.payments.off_session import OffSessionCharger
from billing.collection.payments.provider import PaymentProvider, ProviderInfo
from billing.collection.stripe.checkout import create_stripe_checkout
from billing.collection.stripe.info import STRIPE_CHECKOUT
from billing.collection.stripe.off_session import create_stripe_off_session
from billing.collection.wechat_pay.info import WECHAT_PAY
from billing.collection.wechat_pay.provider import create_wechat_pay
from infra.clock import Clock
from infra.settings import Settings


@dataclass(frozen=True, slots=True)
class ProviderEntry:
    """A provider that can be configured.

    `create` returns None without credentials and raises SettingsInvalid if they are incomplete.
    """

    info: ProviderInfo
    create: Callable[[Settings, Clock], PaymentProvider | None]


PROVIDERS: Mapping[str, ProviderEntry] = {
    entry.info.name: entry
    for entry in (
        ProviderEntry(WECHAT_PAY, create_wechat_pay),
        ProviderEntry(ALIPAY, create_alipay),
        ProviderEntry(STRIPE_CHECKOUT, create_stripe_checkout),
    )
}


class PaymentProviders:
    """The configured payment providers of a process, by name."""

    def __init__(self, providers: Mapping[str, PaymentProvider]) -> None:
        self._providers = dict(providers)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the configured providers, in the order of PROVIDERS."""
        return tuple(self._providers)

    @property
    def infos(self) -> tuple[ProviderInfo, ...]:
        """What is known of the configured providers."""
        return tuple(provider.info for provider in self._providers.values())

    def find(self, name: str) -> PaymentProvider | None:
        """Return a configured provider, None if it is unknown or off."""
        return self._providers.get(name)

    def infos_for(self, currency: str) -> tuple[ProviderInfo, ...]:
        """Return the configured providers that take a currency."""
        return tuple(info for info in self.infos if currency in info.currencies)

    async def close(self) -> None:
        """Close the connections of all providers."""
        for provider in self._providers.values():
            await provider.close()


def create_payment_providers(settings: Settings, clock: Clock) -> PaymentProviders:
    """Create the providers that have credentials in the settings. Raises SettingsInvalid."""
    created = {name: entry.create(settings, clock) for name, entry in PROVIDERS.items()}
    return PaymentProviders(
        {name: provider for name, provider in created.items() if provider is not None}
    )


def create_off_session_charger(settings: Settings) -> OffSessionCharger | None:
    """Create what charges saved payment methods. Returns None if no collector saves any."""
    return create_stripe_off_session(settings)
