"""`maas notifications`: endpoints, test messages and deliveries, with robots on a socket."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from infra.clock import SystemClock
from tests.support.fakes.robots import DINGTALK_SECRET, Robots, run_robots
from tests.support.gateway.commands import Maas


@pytest.fixture
async def robots() -> AsyncIterator[Robots]:
    async with run_robots(SystemClock()) as running:
        yield running


@pytest.fixture
def reaching(maas: Maas, robots: Robots) -> Maas:
    """The command with settings that allow the stand-in's address."""
    allowed = {"MAAS_ROBOT_HOSTS": robots.host, "MAAS_WEBHOOK_NETWORKS": "127.0.0.0/8"}
    return replace(maas, environment={**maas.environment, **allowed})


async def test_robot_is_added_tested_changed_and_removed(reaching: Maas, robots: Robots) -> None:
    words = ("--secret", DINGTALK_SECRET, "--event", "jobs", "--event", "batches")
    place = ("Acme", "dingtalk", robots.address("dingtalk"))
    made = await reaching.say("notifications", "add", *place, *words)
    assert (made["has_secret"], made["enabled_events"]) == (True, ["jobs", "batches"])
    assert DINGTALK_SECRET not in str(made)
    tested = await reaching.say("notifications", "test", "Acme", made["id"])
    assert (tested["delivered"], tested["http_status"]) == (True, 200)
    assert "测试通知" in str(robots.taken["dingtalk"])
    changed = await reaching.say(
        "notifications", "update", "Acme", made["id"], "--disable", "--language", "en"
    )
    assert (changed["status"], changed["language"]) == ("disabled", "en")
    (logged,) = await reaching.say("notifications", "deliveries", "Acme")
    assert logged["status"] == "delivered"
    shown = await reaching.say("notifications", "show", "Acme", logged["id"])
    assert shown["log"][0]["result"] == "delivered"
    refused = await reaching.refuse("notifications", "redeliver", "Acme", logged["id"])
    assert refused == "notification_not_repeatable"
    await reaching.say("notifications", "update", "Acme", made["id"], "--enable")
    queued = await reaching.say("notifications", "redeliver", "Acme", logged["id"])
    assert (queued["status"], queued["event"]) == ("pending", logged["event"])
    await reaching.say("notifications", "remove", "Acme", made["id"])
    assert await reaching.say("notifications", "list", "Acme") == []


async def test_other_hosts_and_unknown_ids_are_refused(maas: Maas, robots: Robots) -> None:
    place = ("notifications", "add", "Acme", "wecom", robots.address("wecom"))
    assert await maas.refuse(*place) == "notification_endpoint_invalid"
    for words in (("test", "Acme", "ne_1"), ("roll-secret", "Acme", "x")):
        assert await maas.refuse("notifications", *words) == "notification_endpoint_not_found"
    missing = await maas.refuse("notifications", "show", "Acme", "nd_1")
    assert missing == "notification_delivery_not_found"


async def test_webhook_secret_is_replaced_and_event_types_are_listed(maas: Maas) -> None:
    made = await maas.say("notifications", "add", "Acme", "webhook", "https://8.8.8.8/hook")
    rolled = await maas.say("notifications", "roll-secret", "Acme", made["id"])
    assert rolled["secret"] != made["secret"]
    types = await maas.say("notifications", "events")
    assert {"group": "batches", "type": "batch.completed"} in types
