"""`maas keys`: a key's service tiers, set when it is created and changed afterwards."""

from sqlalchemy import text

from tests.support.gateway.commands import Maas


async def test_created_key_has_the_selected_service_tiers(maas: Maas) -> None:
    options = ("--name", "press", "--service-tiers", "flex, default")
    made = await maas.say("keys", "create", "Acme", *options)
    assert made["service_tiers"] == ["default", "flex"]
    rows = await maas.say("keys", "list", "Acme")
    assert {row["id"]: row["service_tiers"] for row in rows}[made["id"]] == ["default", "flex"]
    assert "default, flex" in await maas.tell("keys", "list", "Acme")


async def test_key_scope_changes_service_tiers_and_is_logged(maas: Maas) -> None:
    made = await maas.say("keys", "create", "Acme")
    assert made["service_tiers"] is None
    scope = ("keys", "scope", "Acme", made["id"], "--service-tiers")
    assert (await maas.say(*scope, "priority"))["service_tiers"] == ["priority"]
    assert (await maas.say(*scope, "all"))["service_tiers"] is None
    query = "select details->'to'->'service_tiers' from audit_entry where action = :action"
    async with maas.firm.story.database.transaction() as session:
        found = await session.execute(text(query), {"action": "key.scope_changed"})
        assert sorted(found.scalars().all(), key=str) == [None, ["priority"]]


async def test_unknown_service_tier_is_rejected_and_creates_no_key(maas: Maas) -> None:
    before = await maas.say("keys", "list", "Acme")
    code = await maas.refuse("keys", "create", "Acme", "--service-tiers", "gold")
    assert code == "service_tier_invalid"
    assert await maas.say("keys", "list", "Acme") == before
