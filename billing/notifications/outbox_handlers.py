"""Outbox handlers that send e-mails, and hand on alerts of the previous version."""

from base64 import b64decode
from collections.abc import Mapping

from billing.events.emission import Event, store_event
from billing.notifications.alert_targets import ALERT_ACTION
from billing.outbox import ClaimedItem, Handler, PermanentFailure, RetryLater
from infra.clock import Clock
from infra.database.database import Database
from infra.outbound.mail import Mailer, MailNotSent, MailRefused, build_message
from infra.secrets.sealer import SealBroken, Sealer


class Notifier:
    """Outbox handlers for the actions `email` and `alert`."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        mailer: Mailer,
        sender: str,
        sealer: Sealer,
    ) -> None:
        self._database = database
        self._clock = clock
        self._mailer = mailer
        self._sender = sender
        self._sealer = sealer

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """The handlers by outbox action."""
        return {"email": self._send_email, ALERT_ACTION: self._store_alert}

    async def _send_email(self, item: ClaimedItem) -> None:
        """Send the item's e-mail. Raises RetryLater if not sent, PermanentFailure if refused."""
        payload = item.payload
        try:
            text = payload["text"] if "text" in payload else self._decrypt_text(item)
            mail = build_message(self._sender, payload["to"], payload["subject"], text, item.id.hex)
            await self._mailer.send(mail)
        except MailNotSent as error:
            raise RetryLater(str(error)) from error
        except (MailRefused, ValueError) as error:
            raise PermanentFailure(str(error)) from error

    def _decrypt_text(self, item: ClaimedItem) -> str:
        """Decrypt the text of an e-mail with a secret link."""
        try:
            return self._sealer.open(b64decode(item.payload["sealed"]), item.business_key)
        except SealBroken as error:
            raise PermanentFailure(error.message) from error

    async def _store_alert(self, item: ClaimedItem) -> None:
        """Store an alert of the previous version as an event, with the id and body it has there.

        Raises PermanentFailure.
        """
        event_type = str(item.payload.get("type", ""))
        event = Event(item.account_id, event_type, item.business_key, {})
        async with self._database.transaction() as session:
            await store_event(session, self._clock.now(), event, item.payload, item.id)
