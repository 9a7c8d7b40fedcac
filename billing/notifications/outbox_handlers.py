"""Notifying: sending what the outbox holds for people and their systems."""

from base64 import b64decode
from collections.abc import Mapping

from billing.notifications.alert_targets import ALERT, read_target
from billing.outbox import Handler, Item, Refused, TryLater
from infra.clock import Clock
from infra.database.database import Database
from infra.outbound.mail import Mailer, MailNotSent, MailRefused, message
from infra.outbound.webhook_post import PostFailed, SignedPoster
from infra.secrets.sealer import SealBroken, Sealer


class Notifier:
    """The handlers of one process; `handlers` names the outbox's actions."""

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
        return {"email": self._email, ALERT: self._alert}

    async def _email(self, item: Item) -> None:
        said = item.payload
        try:
            text = said["text"] if "text" in said else self._opened(item)
            mail = message(self._sender, said["to"], said["subject"], text, item.id.hex)
            await self._mailer.send(mail)
        except MailNotSent as error:
            raise TryLater(str(error)) from error
        except (MailRefused, ValueError) as error:
            raise Refused(str(error)) from error

    def _opened(self, item: Item) -> str:
        """The text of a mail with a link that nobody else may see."""
        try:
            return self._sealer.open(b64decode(item.payload["sealed"]), item.business_key)
        except SealBroken as error:
            raise Refused(error.message) from error

    async def _alert(self, item: Item) -> None:
        async with self._database.transaction() as session:
            target = await read_target(session, item.account_id)
        if not target.url:
            raise Refused("The account takes no webhooks any more.")
        key, now = f"{ALERT}_{item.id.hex}", self._clock.now()
        try:
            await self._poster.post(target.url, target.secret, key, item.payload, now)
        except PostFailed as error:
            raise TryLater(str(error)) from error
