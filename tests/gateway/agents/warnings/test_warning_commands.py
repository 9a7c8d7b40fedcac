"""`maas agents warnings`: the same as the API, by an operator."""

from datetime import timedelta

from gateway.identity.audit_log import CLI_ACTOR
from gateway.plant.assets.limits import PlantLimits
from gateway.plant.assets.values import Asset, AssetLevel
from gateway.plant.store.asset_editing import create_asset
from gateway.plant.store.editing import Editing
from tests.support.gateway.commands import Maas
from tests.support.nightly import nightly


@nightly
async def test_rule_is_created_queued_for_training_and_deleted(maas: Maas) -> None:
    firm = maas.firm
    async with firm.story.database.transaction() as session:
        editing = Editing(session, firm.story.clock, CLI_ACTOR, firm.account.id, PlantLimits())
        await create_asset(editing, Asset("W-1", "Pump", AssetLevel.EQUIPMENT))
    group = ("agents", "warnings")
    options = ("--asset", "W-1", "--points", "A,B", "--miss", "10", "--false-alarm", "1")
    made = await maas.say(*group, "create", "Acme", "wear", *options)
    assert (made["name"], made["points"], made["horizon"]) == ("wear", ["A", "B"], "7d")
    assert await maas.refuse(*group, "create", "Acme", "wear", *options) == (
        "learned_warning_invalid"
    )
    assert [one["id"] for one in await maas.say(*group, "list", "Acme")] == [made["id"]]
    code = "learned_warning_invalid"
    assert await maas.refuse(*group, "train", "Acme", "wear", "--events", "soon") == code
    now = firm.story.clock.now()
    times = [(now - timedelta(days=back)).isoformat() for back in (3, 2)]
    assert await maas.refuse(*group, "train", "Acme", "wear", "--events", times[0]) == code
    queued = await maas.say(*group, "train", "Acme", "wear", "--events", ",".join(times))
    assert (queued["version"], queued["status"]) == (1, "queued")
    assert await maas.refuse(*group, "activate", "Acme", "wear", "1") == "learned_warning_not_ready"
    assert await maas.refuse(*group, "rollback", "Acme", "wear") == "learned_warning_not_ready"
    assert (await maas.say(*group, "show", "Acme", made["id"]))["active_version"] is None
    await maas.say(*group, "delete", "Acme", "wear")
    assert await maas.say(*group, "list", "Acme") == []
