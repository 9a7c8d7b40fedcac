"""Stored events, and the dispatcher that sends them, for tests."""

from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from uuid import UUID

from billing.notifications.endpoints.dispatch import Dispatcher
from billing.notifications.endpoints.sending import EndpointSender
from infra.clock import Clock
from infra.database.database import Database
from infra.outbound.allowed_addresses import AllowedAddresses
from infra.outbound.mail import Mailer
from infra.outbound.webhook_post import SignedPoster
from tests.support.billing.making import sql
from tests.support.builders import SEALER

BASE_URL = "https://maas.example"
LOOPBACK = AllowedAddresses([ip_network("127.0.0.0/8")])


def make_sender(mailer: Mailer, timeout_s: float = 10.0) -> EndpointSender:
    return EndpointSender(SignedPoster(LOOPBACK, timeout_s), mailer, "bill@maas.example", BASE_URL)


def make_dispatcher(
    database: Database, clock: Clock, mailer: Mailer | None = None, timeout_s: float = 10.0
) -> Dispatcher:
    """A dispatcher to sockets of this machine; e-mails go to files below /nonexistent, if any."""
    sender = make_sender(mailer or Mailer(None, Path("/nonexistent")), timeout_s)
    return Dispatcher(database, clock, SEALER, sender, timedelta(days=30))


async def event_payloads(
    database: Database, account_id: UUID | None = None
) -> list[dict[str, Any]]:
    """The bodies of all events, or of an account's, in order."""
    query = """
        select payload from notification_event
        where cast(:account as uuid) is null or account_id = :account order by id
    """
    return [row.payload for row in await sql(database, query, account=account_id)]
