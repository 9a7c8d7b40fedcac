"""Outbox handlers of e-mails: delivery, retries, permanent failures; and of former alerts."""

from base64 import b64encode
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from billing.notifications.alert_targets import ALERT_ACTION, get_alert_target, update_alert_target
from billing.notifications.outbox_handlers import Notifier
from billing.outbox import enqueue, process_due_items
from infra.outbound.mail import Mailer
from tests.support.billing.making import sql
from tests.support.billing.notifying import make_dispatcher
from tests.support.builders import SEALER
from tests.support.fakes.smtp import FakeSmtp, run_fake_smtp
from tests.support.fakes.webhook_receiver import Hook, run_hook
from tests.support.stories.story import Calendar, Firm, Story


@pytest.fixture
async def smtp() -> AsyncIterator[FakeSmtp]:
    async with run_fake_smtp() as running:
        yield running


@pytest.fixture
async def hook() -> AsyncIterator[Hook]:
    async with run_hook() as running:
        yield running


@pytest.fixture
def told(story: Story, smtp: FakeSmtp, tmp_path: Path) -> "Told":
    """The story's clock is set to the real time, because receivers check timestamps."""
    calendar = Calendar(story.clock.zone)
    calendar.pass_(seconds=(datetime.now(UTC) - calendar.now()).total_seconds())
    story.clock = calendar
    mailer = Mailer(smtp.url, tmp_path)
    return Told(story, Notifier(story.database, calendar, mailer, "bill@maas.example", SEALER))


class Told:
    """A story whose outbox items are delivered by a notifier."""

    def __init__(self, story: Story, notifier: Notifier) -> None:
        self.story = story
        self._notifier = notifier

    async def deliver(self) -> int:
        return await process_due_items(
            self.story.database, self.story.clock, self._notifier.handlers
        )

    async def put(self, firm: Firm, action: str, **said: Any) -> None:
        async with self.story.database.transaction() as session:
            place = (self.story.clock, firm.account.id, action, "subject", f"{action}:1")
            await enqueue(session, *place, said)

    async def row(self) -> Any:
        query = "select id, last_error, done_at, given_up_at, attempts from outbox"
        (row,) = await sql(self.story.database, query)
        return row


class TestEmailDelivery:
    async def test_email_is_sent_with_sender_subject_and_message_id(
        self, told: Told, smtp: FakeSmtp
    ) -> None:
        firm = await told.story.firm()
        await told.put(firm, "email", to="pay@acme.example", subject="付款提醒", text="您好\n")
        assert await told.deliver() == 1
        (taken,) = smtp.taken
        mail = message_from_bytes(taken.body, policy=policy.default)
        assert (mail["From"], mail["To"], mail["Subject"]) == (
            "bill@maas.example",
            "pay@acme.example",
            "付款提醒",
        )
        assert mail["Message-ID"] == f"<{(await told.row()).id.hex}@maas>"

    async def test_sealed_text_is_decrypted_before_sending(
        self, told: Told, smtp: FakeSmtp
    ) -> None:
        firm = await told.story.firm()
        sealed = b64encode(SEALER.seal("密钥\n", "email:1")).decode()
        await told.put(firm, "email", to="li@acme.example", subject="s", sealed=sealed)
        assert await told.deliver() == 1
        mail = message_from_bytes(smtp.taken[0].body, policy=policy.default)
        assert mail.get_content().strip() == "密钥"

    async def test_text_sealed_for_another_item_is_not_sent(
        self, told: Told, smtp: FakeSmtp
    ) -> None:
        firm = await told.story.firm()
        sealed = b64encode(SEALER.seal("密钥\n", "email:2")).decode()
        await told.put(firm, "email", to="li@acme.example", subject="s", sealed=sealed)
        assert await told.deliver() == 0
        row = await told.row()
        assert row.given_up_at is not None
        assert "MAAS_SECRET_KEY" in row.last_error
        assert smtp.taken == []

    async def test_email_without_account_is_sent(self, told: Told, smtp: FakeSmtp) -> None:
        said = {"to": "op@maas.example", "subject": "s", "text": "t\n"}
        async with told.story.database.transaction() as session:
            await enqueue(session, told.story.clock, None, "email", "subject", "email:1", said)
        assert await told.deliver() == 1
        assert smtp.taken[0].recipients == ["op@maas.example"]

    async def test_temporary_smtp_error_is_retried(self, told: Told, smtp: FakeSmtp) -> None:
        firm = await told.story.firm()
        await told.put(firm, "email", to="pay@acme.example", subject="s", text="t\n")
        smtp.answers = {"RCPT": "451 greylisted"}
        assert await told.deliver() == 0
        assert (await told.row()).last_error.startswith("451 greylisted")
        smtp.answers = {}
        told.story.clock.pass_(seconds=10)
        assert await told.deliver() == 1
        assert len(smtp.taken) == 1

    async def test_permanent_smtp_error_is_not_retried(self, told: Told, smtp: FakeSmtp) -> None:
        firm = await told.story.firm()
        await told.put(firm, "email", to="gone@acme.example", subject="s", text="t\n")
        smtp.answers = {"RCPT": "550 no such mailbox"}
        assert await told.deliver() == 0
        row = await told.row()
        assert row.given_up_at is not None
        assert row.last_error == "550 no such mailbox"

    async def test_line_break_in_subject_is_rejected(self, told: Told, smtp: FakeSmtp) -> None:
        firm = await told.story.firm()
        await told.put(firm, "email", to="a@b.c", subject="s\nBcc: d@e.f", text="t\n")
        assert await told.deliver() == 0
        assert ((await told.row()).given_up_at is not None, smtp.taken) == (True, [])


class TestAlertsOfThePreviousVersion:
    """It enqueues alerts in the outbox, and sets URLs without an endpoint."""

    async def test_alert_is_delivered_with_the_id_and_body_of_the_outbox(
        self, told: Told, hook: Hook
    ) -> None:
        firm = await watched(told, hook.url)
        await told.put(firm, "alert", type="usage.threshold_passed", data={"percent": 80})
        assert await told.deliver() == 1
        assert await make_dispatcher(told.story.database, told.story.clock).send_due() == 1
        (post,) = hook.posts
        said = Webhook(await secret(told, firm)).verify(post.body, post.headers)
        assert said == {"type": "usage.threshold_passed", "data": {"percent": 80}}
        assert post.headers["webhook-id"] == f"alert_{(await told.row()).id.hex}"

    async def test_alert_is_dropped_after_the_webhook_was_removed(
        self, told: Told, hook: Hook
    ) -> None:
        firm = await watched(told, hook.url)
        await told.put(firm, "alert", type="model.retrained", data={})
        await change(told, firm, "")
        assert await told.deliver() == 1
        assert await make_dispatcher(told.story.database, told.story.clock).send_due() == 0
        assert hook.posts == []

    async def test_alert_without_account_fails(self, told: Told) -> None:
        async with told.story.database.transaction() as session:
            await enqueue(session, told.story.clock, None, ALERT_ACTION, "other", "alert:1", {})
        assert await told.deliver() == 0
        assert (await told.row()).given_up_at is not None


async def watched(told: Told, url: str) -> Firm:
    firm = await told.story.firm()
    await change(told, firm, url)
    return firm


async def change(told: Told, firm: Firm, url: str) -> None:
    async with told.story.database.transaction() as session:
        await update_alert_target(session, firm.account.id, url)


async def secret(told: Told, firm: Firm) -> str:
    async with told.story.database.transaction() as session:
        return (await get_alert_target(session, firm.account.id)).secret
