"""Sample alerts: the e-mail is queued, the webhook is called at once and its result returned."""

import asyncio
import ssl
from ipaddress import ip_network
from pathlib import Path

import pytest

from billing.accounts.profiles import update_profile
from billing.notifications.alert_targets import update_alert_target
from billing.notifications.sample_alert import (
    NoAlertRecipient,
    SampleAlertResult,
    SampleAlertTooSoon,
    send_sample_alert,
)
from infra.outbound.allowed_addresses import AllowedAddresses
from infra.outbound.webhook_post import SignedPoster
from tests.support.billing.making import sql
from tests.support.fakes.certificates import self_signed
from tests.support.fakes.raw_server import answering, run_raw_server
from tests.support.fakes.webhook_receiver import run_hook
from tests.support.stories.story import Firm, Story

LOCAL = SignedPoster(AllowedAddresses([ip_network("127.0.0.0/8")]), timeout_s=1)


async def tries(firm: Firm, poster: SignedPoster = LOCAL) -> SampleAlertResult:
    firm.story.clock.pass_(seconds=11)
    return await send_sample_alert(firm.story.database, firm.story.clock, poster, firm.account.id)


async def reachable(firm: Firm, email: str = "", url: str = "") -> None:
    async with firm.story.database.transaction() as session:
        await update_profile(session, firm.account.id, email=email)
        await update_alert_target(session, firm.account.id, url=url)


async def waiting(firm: Firm) -> list[str]:
    query = "select action from outbox where done_at is null order by id"
    return [row.action for row in await sql(firm.story.database, query)]


async def failure(story: Story, url: str, poster: SignedPoster = LOCAL) -> str | None:
    firm = await story.firm(name=url)
    await reachable(firm, url=url)
    delivery = (await tries(firm, poster)).delivery
    assert delivery is not None
    assert (delivery.delivered, delivery.status) == (False, None)
    return delivery.error


async def test_sample_alert_without_recipient_is_rejected(story: Story) -> None:
    firm = await story.firm()
    with pytest.raises(NoAlertRecipient):
        await tries(firm)


async def test_sample_alert_by_email_only_is_queued_without_webhook_delivery(story: Story) -> None:
    firm = await story.firm()
    await reachable(firm, email="li@acme.example")
    assert await tries(firm) == SampleAlertResult(True, "", None)
    assert (await tries(firm)).to_json()["webhook"] is None
    assert await waiting(firm) == ["email"]  # once a minute


async def test_accepted_sample_webhook_returns_status_and_duration(story: Story) -> None:
    firm = await story.firm()
    async with run_hook() as hook:
        await reachable(firm, url=hook.url)
        said = (await tries(firm)).to_json()
        (post,) = hook.posts
    assert said["email_queued"] is False
    webhook = said["webhook"]
    assert (webhook["delivered"], webhook["status"], webhook["error"]) == (True, 200, None)
    assert 0 <= webhook["duration_ms"] < 10_000
    assert b'"alert.test"' in post.body
    assert "webhook-signature" in post.headers
    assert await waiting(firm) == []


async def test_rejected_sample_webhook_returns_status_and_response_excerpt(story: Story) -> None:
    firm, body = await story.firm(), b"<b>no\x00such hook</b>" + b"x" * 2_000
    head = b"HTTP/1.1 404 Not Found\r\ncontent-length: %d\r\n\r\n" % len(body)
    async with run_raw_server(answering(head + body)) as server:
        await reachable(firm, url=f"{server.url}/hook")
        delivery = (await tries(firm)).delivery
    assert delivery is not None
    assert (delivery.delivered, delivery.status, delivery.error) == (False, 404, None)
    assert delivery.excerpt.startswith("<b>no\ufffdsuch hook</b>xxx")
    assert len(delivery.excerpt) == 500


async def test_second_sample_alert_within_ten_seconds_is_rejected(story: Story) -> None:
    firm = await story.firm()
    async with run_hook() as hook:
        await reachable(firm, url=hook.url)
        await tries(firm)
        with pytest.raises(SampleAlertTooSoon):
            await send_sample_alert(story.database, story.clock, LOCAL, firm.account.id)
        assert len(hook.posts) == 1


async def test_concurrent_sample_alerts_call_the_receiver_once(story: Story) -> None:
    firm = await story.firm()
    async with run_hook() as hook:
        await reachable(firm, url=hook.url)
        all_of_them = [
            send_sample_alert(story.database, story.clock, LOCAL, firm.account.id) for _ in range(5)
        ]
        done = await asyncio.gather(*all_of_them, return_exceptions=True)
        assert len(hook.posts) == 1
    assert sum(isinstance(one, SampleAlertTooSoon) for one in done) == 4


class TestSampleWebhookFailures:
    """Each failure has a plain error message."""

    async def test_refused_connection_is_reported(self, story: Story) -> None:
        async with run_raw_server() as server:
            url = server.url
        assert await failure(story, url) == "The connection was refused or closed."

    async def test_unknown_host_name_is_reported(self, story: Story) -> None:
        said = "The host name cannot be resolved by DNS."
        assert await failure(story, "https://hook.invalid/") == said

    async def test_private_address_is_reported(self, story: Story) -> None:
        said = "The host name resolves only to private or reserved addresses."
        assert await failure(story, "https://127.0.0.1/", SignedPoster(AllowedAddresses())) == said

    async def test_response_timeout_is_reported(self, story: Story) -> None:
        async with run_raw_server(answering(b"")) as server:
            poster = SignedPoster(LOCAL.allowed_addresses, timeout_s=0.2)
            said = "The receiver did not respond in time."
            assert await failure(story, server.url, poster) == said

    async def test_untrusted_certificate_is_reported(self, story: Story, tmp_path: Path) -> None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(self_signed(tmp_path / "receiver.pem"))
        async with run_raw_server(tls=tls) as server:
            poster = SignedPoster(LOCAL.allowed_addresses, timeout_s=30)
            said = "The TLS connection failed: check the receiver's certificate."
            assert await failure(story, server.url, poster) == said
            assert server.requests == []

    async def test_invalid_http_response_is_reported(self, story: Story) -> None:
        async with run_raw_server(answering(b"220 mail\r\n\r\n")) as server:
            said = "The receiver's response is not valid HTTP."
            assert await failure(story, server.url) == said
