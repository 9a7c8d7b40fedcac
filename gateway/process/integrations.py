"""Factories for outbound integrations (e-mail, webhooks), built from settings."""

from infra.outbound.allowed_addresses import AllowedAddresses
from infra.outbound.mail import Mailer
from infra.outbound.webhook_post import SignedPoster
from infra.settings import Settings


def create_mailer(settings: Settings) -> Mailer:
    """Create the mailer: SMTP if a server is configured, otherwise files in the data directory."""
    url = settings.smtp_url
    return Mailer(None if url is None else url.get_secret_value(), settings.data_dir / "mail")


def create_webhook_poster(settings: Settings) -> SignedPoster:
    """Create the webhook client for public addresses and the allowed private networks."""
    return SignedPoster(AllowedAddresses(settings.webhook_networks))
