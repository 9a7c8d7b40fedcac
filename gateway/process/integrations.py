"""Create the clients of payment providers, e-mail server and webhooks from the settings."""

from billing.collection.collector import Collector
from billing.collection.collectors import COLLECTORS
from billing.collection.payments.checkout import Checkout
from billing.collection.payments.providers import (
    create_off_session_charger,
    create_payment_providers,
)
from billing.notifications.endpoints.fields import AddressRules
from billing.notifications.endpoints.sending import EndpointSender
from billing.prepaid.auto_top_up_runner import AutoTopUpRunner
from gateway.identity.links import Links
from infra.clock import Clock
from infra.database.database import Database
from infra.outbound.allowed_addresses import AllowedAddresses
from infra.outbound.mail import Mailer
from infra.outbound.webhook_post import SignedPoster
from infra.settings import Settings, SettingsInvalid


def create_collector(settings: Settings) -> Collector | None:
    """Create the client of the payment provider in the settings; None if it has no credentials.

    Raises SettingsInvalid if there is no such collector.
    """
    entry = COLLECTORS.get(settings.collector)
    if entry is None:
        known = ", ".join(COLLECTORS)
        raise SettingsInvalid(f"MAAS_COLLECTOR is {settings.collector!r}, not one of: {known}.")
    return entry.create(settings)


def create_checkout(settings: Settings, clock: Clock, database: Database) -> Checkout:
    """Create the checkout of payment orders, with the payment providers that have credentials.

    Raises SettingsInvalid if the credentials of one are incomplete.
    """
    return Checkout(database, clock, create_payment_providers(settings, clock))


def create_auto_top_ups(
    settings: Settings, clock: Clock, database: Database
) -> AutoTopUpRunner | None:
    """Create what tops up wallets automatically. Returns None if no payment method is saved."""
    charger = create_off_session_charger(settings)
    return None if charger is None else AutoTopUpRunner(database, clock, charger)


def create_mailer(settings: Settings) -> Mailer:
    """Create the mailer: SMTP if a server is configured, otherwise files in the data directory."""
    url = settings.smtp_url
    return Mailer(None if url is None else url.get_secret_value(), settings.data_dir / "mail")


def create_webhook_poster(settings: Settings) -> SignedPoster:
    """Create the webhook client for public addresses and the allowed private networks."""
    return SignedPoster(AllowedAddresses(settings.webhook_networks))


def create_endpoint_sender(settings: Settings) -> EndpointSender:
    """Create the sender of messages to notification endpoints."""
    return EndpointSender(
        create_webhook_poster(settings),
        create_mailer(settings),
        settings.mail_from,
        Links.from_settings(settings).base,
    )


def create_address_rules(settings: Settings) -> AddressRules:
    """Create the rules of where notification endpoints may be."""
    return AddressRules(AllowedAddresses(settings.webhook_networks), settings.robot_hosts)
