"""Outward: how the settings reach Stripe, people and their systems."""

from billing.collection.stripe.client import Payments
from infra.outbound.allowed_addresses import Reach
from infra.outbound.mail import Mailer
from infra.outbound.webhook_post import SignedPoster
from infra.settings import Settings


def payments_of(settings: Settings) -> Payments | None:
    """Stripe, where a key is set."""
    if settings.stripe_secret_key is None:
        return None
    return Payments(settings.stripe_secret_key.get_secret_value(), settings.stripe_api_base)


def mailer_of(settings: Settings) -> Mailer:
    """By SMTP where a server is set, else into files."""
    url = settings.smtp_url
    return Mailer(None if url is None else url.get_secret_value(), settings.data_dir / "mail")


def poster_of(settings: Settings) -> SignedPoster:
    """To the public internet, and to the private networks that are allowed."""
    return SignedPoster(Reach(settings.webhook_networks))
