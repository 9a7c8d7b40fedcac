"""Send one message to an endpoint: a signed webhook, a robot's message or an e-mail."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from billing.notifications.alert_targets import ALERT_ACTION
from billing.notifications.endpoints.addresses import Address
from billing.notifications.endpoints.fields import secret_parts
from billing.notifications.endpoints.kinds import EMAIL, WEBHOOK
from billing.notifications.endpoints.messages import Message, email_text, fitting, robot_body
from billing.notifications.endpoints.robot_signing import JSON_HEADERS, signed_request
from billing.notifications.endpoints.verdicts import AttemptVerdict, Verdict, classify
from infra import ids
from infra.outbound.mail import Mailer, MailNotSent, MailRefused, build_message
from infra.outbound.webhook_post import DeliveryResult, SignedPoster

EVENT_ID_PREFIX = "evt"
ENDPOINTS_PAGE = "/dashboard/notifications"
_RESPONSE_BYTES, _LOGGED_RESPONSE, _LOGGED_REQUEST = 4_000, 500, 8_000
_DEFAULT_LANGUAGE = "en"
_NO_ADDRESS = "The address of the endpoint cannot be read. Enter it again."


@dataclass(frozen=True, slots=True)
class OutgoingEvent:
    """An event to send: see NotificationEvent."""

    id: UUID
    type: str
    payload: Mapping[str, Any]
    texts: Mapping[str, Mapping[str, str]]
    page: str


@dataclass(frozen=True, slots=True)
class Recipient:
    """The endpoint that a message goes to. `old_ids` keeps the ids of the alert settings' webhook
    (`alert_…`) as they were before there were endpoints."""

    id: UUID
    account_id: UUID
    kind: str
    language: str
    address: Address
    old_ids: bool = False


@dataclass(frozen=True, slots=True)
class SendResult:
    """What an attempt came to: of `events` events, and request and response without secrets.

    `answered` is false if there was no response at all.
    """

    outcome: AttemptVerdict
    events: int
    duration_ms: int
    http_status: int | None
    request: str
    response: str

    @property
    def answered(self) -> bool:
        """Whether the receiver responded, be it with an error."""
        return self.http_status is not None or self.outcome.verdict is Verdict.DELIVERED


@dataclass(frozen=True, slots=True)
class EndpointSender:
    """Sends messages; `base_url` is the public address of this deployment, without a slash."""

    poster: SignedPoster
    mailer: Mailer
    mail_from: str
    base_url: str

    async def send(
        self, recipient: Recipient, events: Sequence[OutgoingEvent], at: datetime
    ) -> SendResult:
        """Send the events, or as many of the first as fit into one message. Raises no error of
        the receiver."""
        if not recipient.address.url:
            return SendResult(AttemptVerdict(Verdict.RETRY, _NO_ADDRESS), 1, 0, None, "", "")
        if recipient.kind == WEBHOOK:
            return await self._send_webhook(recipient, events[0], at)
        if recipient.kind == EMAIL:
            return await self._send_email(recipient, events)
        return await self._send_to_robot(recipient, events, at)

    async def _send_webhook(
        self, recipient: Recipient, event: OutgoingEvent, at: datetime
    ) -> SendResult:
        """Post an event as a signed webhook."""
        key = ids.format_id(ALERT_ACTION if recipient.old_ids else EVENT_ID_PREFIX, event.id)
        url, secret = recipient.address.url, recipient.address.secret
        result = await self.poster.deliver(url, secret, key, event.payload, at)
        return _to_send_result(recipient, result, 1, _json_text(event.payload))

    async def _send_to_robot(
        self, recipient: Recipient, events: Sequence[OutgoingEvent], at: datetime
    ) -> SendResult:
        """Post events as one message of a robot."""
        messages = [self._message(event, recipient.language) for event in events]
        count = fitting(recipient.kind, messages, recipient.language)
        body = robot_body(recipient.kind, messages[:count], recipient.language)
        url, secret = recipient.address.url, recipient.address.secret
        request = signed_request(recipient.kind, url, secret, body, at)
        result = await self.poster.send(request.url, JSON_HEADERS, request.body, _RESPONSE_BYTES)
        return _to_send_result(recipient, result, count, request.log_text)

    async def _send_email(
        self, recipient: Recipient, events: Sequence[OutgoingEvent]
    ) -> SendResult:
        """Send events as one e-mail; its Message-ID is that of the first event."""
        messages = [self._message(event, recipient.language) for event in events]
        page = f"{self.base_url}{ENDPOINTS_PAGE}"
        subject, text = email_text(messages, recipient.language, page)
        key = f"{events[0].id.hex}.{recipient.id.hex}"
        started = time.monotonic()
        try:
            mail = build_message(self.mail_from, recipient.address.url, subject, text, key)
            await self.mailer.send(mail)
            outcome = AttemptVerdict(Verdict.DELIVERED)
        except MailNotSent as error:
            outcome = AttemptVerdict(Verdict.RETRY, str(error))
        except (MailRefused, ValueError) as error:
            outcome = AttemptVerdict(Verdict.REJECTED, str(error))
        elapsed = round((time.monotonic() - started) * 1000)
        request = f"{subject}\n\n{text}"[:_LOGGED_REQUEST]
        return SendResult(outcome, len(events), elapsed, None, request, "")

    def _message(self, event: OutgoingEvent, language: str) -> Message:
        """Return the texts of an event; those of an unknown release are its type."""
        texts = event.texts.get(language) or event.texts.get(_DEFAULT_LANGUAGE) or {}
        link = f"{self.base_url}{event.page}" if event.page else ""
        return Message(texts.get("title", event.type), texts.get("text", ""), link)


def _to_send_result(
    recipient: Recipient, result: DeliveryResult, count: int, request: str
) -> SendResult:
    """Classify a response and remove secrets from what is logged of it."""
    outcome = classify(recipient.kind, result)
    hidden = secret_parts(recipient.kind, recipient.address.url, recipient.address.secret)
    return SendResult(
        AttemptVerdict(outcome.verdict, _without(hidden, outcome.reason)),
        count,
        result.duration_ms,
        result.status,
        _without(hidden, request)[:_LOGGED_REQUEST],
        _without(hidden, result.excerpt)[:_LOGGED_RESPONSE],
    )


def _without(hidden: Sequence[str], text: str) -> str:
    """Replace secrets in a text."""
    for part in hidden:
        text = text.replace(part, "***")
    return text


def _json_text(payload: Mapping[str, Any]) -> str:
    """Return a payload as it is logged."""
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
