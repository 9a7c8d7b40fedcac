"""Deliveries to real sockets: signatures, digests, errors in bodies, back-off, hanging."""

import asyncio
import json
from datetime import timedelta
from email import message_from_bytes, policy

import pytest
from standardwebhooks import Webhook

from billing.accounts.profiles import update_profile
from billing.notifications.endpoints.endpoints import DISABLED
from billing.notifications.endpoints.sending import SendResult
from billing.notifications.endpoints.trial import NotificationTestTooSoon, send_test_message
from billing.reports.platform_status import LabelledCount, read_platform_status
from tests.support.billing.making import sql
from tests.support.billing.notified import Notified
from tests.support.builders import SEALER
from tests.support.fakes.robots import DINGTALK_SECRET, DINGTALK_TOKEN
from tests.support.fakes.smtp import FakeSmtp
from tests.support.fakes.webhook_receiver import Hook
from tests.support.waiting import until_true

ROBOTS = ("wecom", "dingtalk", "feishu", "slack")


class TestMessages:
    @pytest.mark.parametrize("kind", ROBOTS)
    async def test_robot_accepts_the_signed_message_with_title_figures_and_link(
        self, notified: Notified, kind: str
    ) -> None:
        await notified.add(kind)
        await notified.emit("106.00")
        assert await notified.send() == 1
        (body,) = notified.robots.taken[kind]
        text = json.dumps(body, ensure_ascii=False)
        for part in ("Invoice paid", "Amount: 106.00", "https://maas.example/dashboard/invoices"):
            assert part in text
        (logged,) = await notified.log()
        assert (logged.row.status, logged.attempts[0].result) == ("delivered", "delivered")

    async def test_webhook_is_signed_with_the_event_id(
        self, notified: Notified, hook: Hook
    ) -> None:
        made = await notified.add("webhook", hook.url)
        await notified.emit()
        assert await notified.send() == 1
        (post,) = hook.posts
        said = Webhook(made.secret or "").verify(post.body, dict(post.headers))
        assert (said["type"], said["data"]["n"]) == ("invoice.paid", "1")
        (logged,) = await notified.log()
        assert post.headers["webhook-id"] == f"evt_{logged.event.id.hex}"
        assert json.loads(logged.attempts[0].request) == said

    async def test_email_has_the_texts_in_the_language_of_the_endpoint(
        self, notified: Notified, smtp: FakeSmtp
    ) -> None:
        await notified.add("email", "li@acme.example", language="zh")
        await notified.emit("88.00")
        assert await notified.send() == 1
        mail = message_from_bytes(smtp.taken[0].body, policy=policy.default)
        assert (mail["To"], mail["Subject"]) == ("li@acme.example", "账单已支付")
        assert "88.00\nhttps://maas.example/dashboard/invoices" in mail.get_content()
        assert "https://maas.example/dashboard/notifications" in mail.get_content()

    async def test_events_within_seconds_are_one_message_and_none_is_lost(
        self, notified: Notified
    ) -> None:
        """The first goes at once; the others wait for four seconds and are grouped."""
        await notified.add("wecom")
        await notified.emit("first")
        assert await notified.send() == 1
        for number in range(20):
            await notified.emit(f"number {number}.")
        assert await notified.send(1) == 0
        while await notified.send(4):
            pass
        bodies = [one["markdown"]["content"] for one in notified.robots.taken["wecom"]]
        assert len(bodies) == 3
        for number in range(20):
            assert sum(f"number {number}." in body for body in bodies) == 1
        assert {one.row.status for one in await notified.log()} == {"delivered"}

    async def test_long_events_are_spread_over_messages_of_the_size_that_wecom_takes(
        self, notified: Notified
    ) -> None:
        await notified.add("wecom")
        for number in range(4):
            await notified.emit(f"{number}" + "很长" * 2_000)
        sent = 0
        while await notified.send(4):
            sent += 1
        assert (sent, len(notified.robots.taken["wecom"])) == (4, 4)

    async def test_only_selected_events_of_the_own_account_are_delivered_once(
        self, notified: Notified
    ) -> None:
        await notified.add("slack", enabled_events=["disputes", "invoice.paid"])
        await notified.emit("1")
        await notified.emit("1")
        await notified.emit("2", "invoice.finalized")
        await notified.emit("3", "dispute.opened")
        other = Notified.__new__(Notified)
        other.__dict__ = {**notified.__dict__, "firm": await notified.story.firm("Other")}
        await other.emit("4")
        assert await notified.send() == 1
        types = [one.row.event_type for one in await notified.log()]
        assert types == ["invoice.paid", "dispute.opened"]


class TestFailures:
    @pytest.mark.parametrize(
        ("kind", "body", "result"),
        [
            ("wecom", '{"errcode":93000,"errmsg":"invalid webhook url"}', "rejected"),
            ("wecom", '{"errcode":45009,"errmsg":"api freq out of limit"}', "rate_limited"),
            ("wecom", '{"errcode":-1,"errmsg":"system busy"}', "retry"),
            ("dingtalk", '{"errcode":310000,"errmsg":"keywords not in content"}', "rejected"),
            ("dingtalk", '{"errcode":130101,"errmsg":"send too fast"}', "rate_limited"),
            ("feishu", '{"code":19024,"msg":"Key Words Not Found"}', "rejected"),
            ("feishu", '{"code":11232,"msg":"frequency limited"}', "rate_limited"),
            ("feishu", "<html>proxy</html>", "retry"),
            ("feishu", "[]", "retry"),
            ("slack", "proxy", "retry"),
        ],
    )
    async def test_error_in_the_body_of_http_200_is_a_failure(
        self, notified: Notified, kind: str, body: str, result: str
    ) -> None:
        await notified.add(kind)
        notified.robots.answer_next(kind, body)
        await notified.emit()
        assert await notified.send() == 1
        (logged,) = await notified.log()
        assert (logged.attempts[0].result, logged.attempts[0].http_status) == (result, 200)
        if result == "rejected":
            assert (logged.row.status, await notified.send(3600)) == ("failed", 0)
        else:
            assert (logged.row.status, await notified.send(3600)) == ("pending", 1)
            assert (await notified.log())[0].row.status == "delivered"

    @pytest.mark.parametrize(
        ("status", "body", "result"),
        [(404, "no_service", "rejected"), (429, "", "rate_limited"), (500, "oops", "retry")],
    )
    async def test_error_status_of_slack_is_classified(
        self, notified: Notified, status: int, body: str, result: str
    ) -> None:
        await notified.add("slack")
        notified.robots.answer_next("slack", body, status)
        await notified.emit()
        await notified.send()
        assert (await notified.log())[0].attempts[0].result == result

    async def test_wrong_secret_is_rejected_and_the_log_shows_no_secret(
        self, notified: Notified
    ) -> None:
        made = await notified.add("dingtalk", secret="SECwrong")
        await notified.emit()
        await notified.send()
        (logged,) = await notified.log()
        (attempt,) = logged.attempts
        assert (attempt.result, attempt.error) == ("rejected", "310000: sign not match")
        shown = f"{made.row.address} {attempt.request} {attempt.response} {attempt.error}"
        assert DINGTALK_TOKEN not in shown
        await notified.change(made, secret=DINGTALK_SECRET)
        await notified.emit("2")
        assert await notified.send(10) == 1
        assert len(notified.robots.taken["dingtalk"]) == 1

    async def test_key_that_a_receiver_returns_is_removed_from_the_log(
        self, notified: Notified
    ) -> None:
        await notified.add("dingtalk")
        echo = {"errcode": 300001, "errmsg": f"token {DINGTALK_TOKEN} {DINGTALK_SECRET}"}
        notified.robots.answer_next("dingtalk", json.dumps(echo))
        await notified.emit()
        await notified.send()
        attempt = (await notified.log())[0].attempts[0]
        assert (attempt.error, "token *** ***" in attempt.response) == (
            "300001: token *** ***",
            True,
        )

    async def test_failed_webhook_is_retried_with_back_off_and_the_same_id(
        self, notified: Notified, hook: Hook
    ) -> None:
        await notified.add("webhook", hook.url)
        hook.statuses = [503, 500]
        await notified.emit()
        assert [await notified.send(pause) for pause in (0, 9, 1, 19, 1)] == [1, 0, 1, 0, 1]
        assert len({post.headers["webhook-id"] for post in hook.posts}) == 1
        (logged,) = await notified.log()
        assert [one.http_status for one in logged.attempts] == [503, 500, 200]
        assert logged.attempts[0].error == "the receiver responded with HTTP status 503"
        first = logged.attempts[0]
        assert first.next_attempt_at == first.sent_at + timedelta(seconds=10)

    async def test_webhook_that_refuses_one_event_gets_the_others(
        self, notified: Notified, hook: Hook
    ) -> None:
        await notified.add("webhook", hook.url)
        hook.statuses = [400]
        await notified.emit("1")
        await notified.emit("2")
        assert await notified.send() == 2
        assert [one.row.status for one in await notified.log()] == ["pending", "delivered"]

    async def test_receiver_without_response_pauses_its_endpoint(self, notified: Notified) -> None:
        await notified.add("webhook", "http://127.0.0.1:1/hook")
        for key in "123":
            await notified.emit(key)
        assert await notified.send() == 1
        assert await notified.send(10) == 1
        assert await notified.send(10) == 0
        await sql(
            notified.story.database,
            "update notification_delivery set status = 'failed' where attempts = 0",
        )
        async with notified.story.database.transaction() as session:
            status = await read_platform_status(session, notified.story.clock.now())
        assert status.notifications == [
            LabelledCount(("webhook", "failed"), 2),
            LabelledCount(("webhook", "retrying"), 1),
        ]

    async def test_retries_end_after_three_days(self, notified: Notified, hook: Hook) -> None:
        await notified.add("webhook", hook.url)
        hook.statuses = [500, 500]
        await notified.emit()
        await notified.send()
        await notified.send(timedelta(days=3, seconds=1).total_seconds())
        (logged,) = await notified.log()
        assert (logged.row.status, logged.attempts[-1].next_attempt_at) == ("failed", None)

    async def test_endpoint_that_fails_for_days_is_disabled_with_an_email(
        self, notified: Notified, hook: Hook
    ) -> None:
        async with notified.story.database.transaction() as session:
            await update_profile(session, notified.account_id, email="boss@acme.example")
        made = await notified.add("webhook", hook.url, description="MES")
        hook.statuses = [500] * 4
        await notified.emit("1")
        for pause in (0, 10, 20):
            assert await notified.send(pause) == 1
        await notified.emit("2")
        await notified.send(timedelta(days=3).total_seconds())
        stored = (await notified.change(made, description="MES")).row
        assert (stored.enabled, stored.disabled_reason) == (False, "failing")
        assert [one.row.status for one in await notified.log()] == ["failed", "failed"]
        assert (await notified.log())[1].row.last_error == DISABLED
        (mail,) = await sql(notified.story.database, "select payload from outbox")
        assert (mail.payload["to"], "MES" in mail.payload["subject"]) == ("boss@acme.example", True)
        await notified.emit("3")
        assert len(await notified.log()) == 2
        await notified.change(made, enabled=True)
        await notified.emit("4")
        assert await notified.send() == 1
        assert (await notified.log())[-1].row.status == "delivered"

    async def test_mailbox_that_does_not_exist_is_rejected_and_a_busy_server_retried(
        self, notified: Notified, smtp: FakeSmtp
    ) -> None:
        await notified.add("email", "gone@acme.example")
        await notified.emit()
        smtp.answers = {"RCPT": "451 greylisted"}
        await notified.send()
        smtp.answers = {"RCPT": "550 no such mailbox"}
        await notified.send(30)
        (logged,) = await notified.log()
        assert [one.result for one in logged.attempts] == ["retry", "rejected"]

    async def test_address_sealed_with_another_key_waits_for_a_new_one(
        self, notified: Notified, hook: Hook
    ) -> None:
        made = await notified.add("webhook", hook.url)
        await sql(notified.story.database, "update notification_endpoint set sealed = 'x'")
        await notified.emit()
        assert await notified.send() == 1
        (logged,) = await notified.log()
        assert logged.row.last_error == (
            "The address of the endpoint cannot be read. Enter it again."
        )
        await notified.change(made, address=hook.url)
        assert await notified.send() == 1
        assert len(hook.posts) == 1


class TestDispatcher:
    async def test_hanging_receiver_does_not_delay_others(
        self, notified: Notified, hook: Hook
    ) -> None:
        """An event that occurs meanwhile is delivered before the robot answers."""
        await notified.add("wecom", enabled_events=["batches"])
        await notified.add("webhook", hook.url, enabled_events=["invoices"])
        notified.robots.hanging = {"wecom"}
        await notified.emit("1", "batch.completed")
        running = asyncio.create_task(notified.send())
        await notified.robots.arrived.wait()
        await notified.emit("2", "invoice.paid")

        async def arrived() -> bool:
            return bool(hook.posts)

        await until_true(arrived)
        assert not running.done()
        notified.robots.release.set()
        assert await running == 2
        assert {one.row.status for one in await notified.log()} == {"delivered"}

    async def test_account_has_at_most_four_messages_at_a_time(
        self, notified: Notified, hook: Hook
    ) -> None:
        """A later message of another account arrives while the fifth waits for a place."""
        notified.robots.hanging = {"slack"}
        for _ in range(5):
            await notified.add("slack", enabled_events=["batches"])
        await notified.emit("1", "batch.completed")
        notified.story.clock.pass_(seconds=1)
        other = Notified.__new__(Notified)
        other.__dict__ = {**notified.__dict__, "firm": await notified.story.firm("Other")}
        await other.add("webhook", hook.url)
        await other.emit("2")
        running = asyncio.create_task(notified.send())

        async def arrived() -> bool:
            return bool(hook.posts)

        await until_true(arrived)
        query = "select id from notification_endpoint where account_id = :account and attempts > 0"
        claimed = await sql(notified.story.database, query, account=notified.account_id)
        assert (len(claimed), running.done()) == (4, False)
        notified.robots.release.set()
        assert await running == 6

    async def test_message_is_sent_again_after_a_crash_before_its_record(
        self, notified: Notified, hook: Hook, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await notified.add("webhook", hook.url)
        await notified.emit()

        async def crash(*_: object) -> SendResult:
            raise RuntimeError("killed")

        with monkeypatch.context() as patched:
            patched.setattr(type(notified.sender), "send", crash)
            assert await notified.send() == 1
        assert await notified.send(59) == 0
        assert await notified.send(1) == 1
        assert len(hook.posts) == 1

    async def test_stopped_run_cancels_its_messages(self, notified: Notified) -> None:
        await notified.add("wecom")
        notified.robots.hanging = {"wecom"}
        await notified.emit()
        running = asyncio.create_task(notified.send())
        await notified.robots.arrived.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert (await notified.log())[0].attempts == []

    async def test_events_past_the_retention_are_deleted_with_their_log(
        self, notified: Notified
    ) -> None:
        await notified.add("slack")
        await notified.emit("old")
        await notified.send()
        notified.story.clock.pass_(seconds=timedelta(days=29).total_seconds())
        await notified.emit("new")
        assert await notified.dispatcher.delete_old_events() == 0
        notified.story.clock.pass_(seconds=timedelta(days=1, seconds=1).total_seconds())
        assert await notified.dispatcher.delete_old_events() == 1
        assert [one.event.business_key for one in await notified.log()] == ["test:new"]


class TestTrial:
    async def test_test_message_is_sent_at_once_logged_and_not_repeated(
        self, notified: Notified, hook: Hook
    ) -> None:
        made = await notified.add("feishu", secret="wrong")
        place = (notified.story.database, notified.story.clock, SEALER, notified.sender)
        tested = await send_test_message(*place, notified.account_id, made.row.id)
        assert tested.result.outcome.verdict == "rejected"
        with pytest.raises(NotificationTestTooSoon):
            await send_test_message(*place, notified.account_id, made.row.id)
        (logged,) = await notified.log()
        assert (logged.row.id, logged.row.event_type, logged.row.status) == (
            tested.delivery_id,
            "notification_endpoint.test",
            "failed",
        )
        assert await notified.send(3600) == 0
