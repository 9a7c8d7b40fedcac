"""`maas node` and `maas plant trace`: prefixes, delegation, registration and access by commands."""

import json
from pathlib import Path

from gateway.plant.epcis.capture_job import capture_document
from gateway.plant.epcis.named_queries import create_query
from gateway.plant.epcis.subscriptions import NewSubscription, create_subscription
from infra.clock import SystemClock
from infra.database.database import Database
from tests.support.builders import SEALER
from tests.support.gateway.commands import Maas
from tests.support.plant.epcis import document, item, made

NODE = "https://node.example.com"


async def test_prefix_is_delegated_accepted_used_and_revoked(maas: Maas, tmp_path: Path) -> None:
    root = await maas.say("node", "root", "88", "--node", NODE)
    roots, chain, lines = (tmp_path / name for name in ("roots.json", "chain", "lines"))
    roots.write_text(root["entry"])
    told = Maas({**maas.environment, "MAAS_NODE_ROOTS": str(roots)}, maas.firm, tmp_path)
    key = await told.say("node", "key", "88.100", "--account", "Acme", "--algorithm", "ES256")
    assert json.loads(key["key"])["kty"] == "EC"
    place = ("node", "delegate", "88", "88.100", "--key", key["key"], "--node", NODE)
    delegated = await told.say(*place)
    chain.write_text(delegated["chain"])
    assert (await told.say("node", "accept", "88.100", str(chain)))["delegations"] == 1
    other = json.dumps({"kty": "OKP", "crv": "Ed25519", "x": "A" * 43})
    refused = ("node", "delegate", "88", "88.100.1", "--key", other, "--node", NODE)
    assert await told.refuse(*refused) == "prefix_taken"
    lines.write_text('{"id": "88.100/X"}\n{"id": "nonsense"}')
    rows = await told.say("node", "register", "88.100", str(lines))
    assert [one["status"] for one in rows] == ["created", "error"]
    table = tmp_path / "records.csv"
    table.write_text("id,name\n88.100/Y,泵\n")
    rows = await told.say("node", "register", "88.100", str(table))
    assert [one["status"] for one in rows] == ["created"]
    assert await told.refuse("node", "status") == "identifier_node_unreachable"
    assert (await told.say("node", "token", "88.100", "--label", "P"))["token"].count(".") == 2
    secret = await told.say("node", "access-key", "88.100", "--label", "P")
    assert secret["key"].startswith("maas_node_")
    assert (await told.say("node", "revoke-access", "88.100", "--label", "P"))["revoked"] == 1
    listed = await told.say("node", "prefixes")
    assert [(one["prefix"], one["status"]) for one in listed] == [
        ("88.100", "own"),
        ("88", "own"),
        ("88.100", "delegated"),
    ]
    assert (await told.say("node", "revoke", "88", "88.100"))["prefix"] == "88.100"
    assert await told.refuse("node", "revoke", "88", "88.100") == "prefix_not_owned"


async def test_trace_lists_items_and_links(maas: Maas, database: Database) -> None:
    sent = document(made(item("bar"), into=item("part")))
    await capture_document(database, SystemClock(), maas.firm.account.id, sent, "rollback")
    found = await maas.say("plant", "trace", "Acme", item("part"))
    assert [one["item"] for one in found["items"]] == [item("part"), item("bar")]
    shown = await maas.tell("plant", "trace", "Acme", item("bar"), "--direction", "downstream")
    assert "transformation" in shown


async def test_queries_and_subscriptions_are_listed(maas: Maas, database: Database) -> None:
    account_id, clock = maas.firm.account.id, SystemClock()
    new = NewSubscription("https://8.8.8.8/events", {"hour": "6"}, False, None)
    async with database.transaction() as session:
        query = await create_query(session, clock, account_id, "mine", {"EQ_action": "ADD"})
        await create_subscription(session, clock, SEALER, query, new)
    assert [one["name"] for one in await maas.say("plant", "event-queries", "Acme")] == ["mine"]
    (row,) = await maas.say("plant", "event-subscriptions", "Acme")
    assert (row["queryName"], row["dest"], row["failures"]) == ("mine", new.url, 0)
    named = ("plant", "event-subscriptions", "Acme")
    (paused,) = await maas.say(*named, "--pause", row["subscriptionID"])
    assert paused["pausedAt"]
    (resumed,) = await maas.say(*named, "--resume", row["subscriptionID"])
    assert resumed["pausedAt"] is None
    assert await maas.refuse(*named, "--pause", "eventsub_x") == "epcis_not_found"
