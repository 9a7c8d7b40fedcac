"""The pages of event queries: create, run, subscribe, pause, resume, end and delete."""

import re

from sqlmodel import col, select

from gateway.tables import AuditEntry, PlantEventSubscription
from tests.support.dashboard.firm import Firm
from tests.support.dashboard.looking import words
from tests.support.plant.epcis import document, event, item

PAGE = "/dashboard/identifiers/queries"
SENT = {"name": "inspected", "eventType": "ObjectEvent", "EQ_bizStep": "inspecting"}
HOOK = "https://8.8.8.8/epcis"


async def capture(firm: Firm) -> None:
    seen = event("ObjectEvent", 2, epcList=[item("a"), item("b")], bizStep="inspecting")
    packed = event("AggregationEvent", 3, parentID=item("box"), childEPCs=[item("a")], action="ADD")
    await firm.gateway.http.post("/v1/plant/epcis/capture", json=document(seen, packed))


async def test_query_is_created_run_and_deleted(office: Firm) -> None:
    owner = office.owner
    assert "No queries yet" in await owner.page(PAGE)
    await capture(office)
    assert (await owner.send(PAGE, **SENT)).headers["location"] == f"{PAGE}/inspected"
    shown = words(await owner.page(f"{PAGE}/inspected"))
    assert f"Observed or made {item('a')} {item('b')} inspecting" in shown
    assert item("box") not in shown
    again = await owner.send(PAGE, **SENT)
    assert (again.status_code, "already have a query" in again.text) == (422, True)
    for wrong in (
        {"name": "a b"},
        {"name": "x", "further": "EQ_action"},
        {"name": "x", "further": "COLOUR=1"},
    ):
        refused = await owner.send(PAGE, **wrong)
        assert refused.status_code == 422, wrong
        assert 'value="' + wrong["name"] in refused.text
    limited = {"name": "limited", "further": "maxEventCount=1\nGE_eventTime=2026-01-01T00:00:00Z"}
    assert (await owner.send(PAGE, **limited)).status_code == 303
    assert "more events than its maxEventCount" in await owner.page(f"{PAGE}/limited")
    assert (await owner.send(f"{PAGE}/limited/delete")).headers["location"] == PAGE
    assert "limited" not in words(await owner.page(PAGE))


async def test_webhook_is_subscribed_paused_resumed_and_ended(office: Firm) -> None:
    owner = office.owner
    await owner.send(PAGE, **SENT)
    here = f"{PAGE}/inspected/subscriptions"
    refused = await owner.send(here, url="http://10.0.0.1/x", timing="stream", empty="")
    assert (refused.status_code, "reached from the internet" in refused.text) == (422, True)
    made = await owner.send(here, url=HOOK, timing="hour", empty="yes")
    assert "We cannot show it again" in made.text
    shown = await owner.page(f"{PAGE}/inspected")
    assert "We cannot show it again" not in shown
    assert f"{HOOK} Every hour Active" in words(shown)
    one = re.search(rf"{here}/(eventsub_\w+)/pause", shown)
    assert one is not None
    assert (await office.stranger.send(f"{here}/{one[1]}/pause")).status_code == 404
    assert (await owner.send(f"{here}/{one[1]}/pause")).status_code == 303
    assert "Paused" in words(await owner.page(f"{PAGE}/inspected"))
    assert (await owner.send(f"{here}/{one[1]}/resume")).status_code == 303
    assert (await owner.send(f"{here}/{one[1]}/delete")).status_code == 303
    async with office.gateway.parts.database.transaction() as session:
        assert (await session.scalars(select(PlantEventSubscription))).all() == []
        query = select(col(AuditEntry.action)).where(col(AuditEntry.subject) == one[1])
        actions = (await session.scalars(query.order_by(col(AuditEntry.id)))).all()
    names = ("created", "paused", "resumed", "ended")
    assert actions == [f"epcis.subscription_{name}" for name in names]
