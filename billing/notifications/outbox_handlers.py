"""Outbox handlers that send e-mails and alert webhooks."""

from base64 import b64decode
from collections.abc import Mapping

from billing.notifications.alert_targets import ALERT_ACTION, get_alert_target
from billing.outbox import ClaimedItem, Handler, PermanentFailure, RetryLater
from infra.clock import Clock
from infra.database.database import Database
from infra.outbound.mail import Mailer, MailNotSent, MailRefused, build_message
from infra.outbound.webhook_post import PostFailed, SignedPoster
from infra.secrets.sealer import SealBroken, Sealer


class Notifier:
    """Outbox handlers for the actions `email` and `alert`."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        mailer: Mailer,
        sender: str,
        poster: SignedPoster,
        sealer: Sealer,
    ) -> None:
        self._database = database
        self._clock = clock
        self._mailer = mailer
        self._sender = sender
        self._poster = poster
        self._sealer = sealer

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """The handlers by outbox action."""
        return {"email": self._send_email, ALERT_ACTION: self._send_alert}

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

    async def _send_alert(self, item: ClaimedItem) -> None:
        """Post an alert to the account's webhook. Raises RetryLater, PermanentFailure."""
        async with self._database.transaction() as session:
            target = await get_alert_target(session, item.account_id)
        if not target.url:
            raise PermanentFailure("The account's webhook was removed.")
        key, now = f"{ALERT_ACTION}_{item.id.hex}", self._clock.now()
        try:
            await self._poster.post(target.url, target.secret, key, item.payload, now)
        except PostFailed as error:
            raise RetryLater(str(error)) from error
