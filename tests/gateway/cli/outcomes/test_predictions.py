"""`maas predictions`: append, list, export, verify, keys, events and scores."""

import json
from datetime import timedelta

import pytest

import gateway.cli.runner
from tests.support.gateway.commands import Maas
from tests.support.gateway.predictions import body


@pytest.fixture
def acme(maas: Maas, monkeypatch: pytest.MonkeyPatch) -> Maas:
    """The command with the story's clock on 20 October."""
    clock = maas.firm.story.clock
    monkeypatch.setattr(gateway.cli.runner, "SystemClock", lambda: clock)
    clock.set(2026, 10, 20)
    return maas


async def test_ledger_is_appended_exported_and_verified_offline(acme: Maas) -> None:
    clock, file = acme.firm.story.clock, acme.folder / "records.json"
    call = await acme.firm.use("vib", clock.now(), rows=1)
    new = body(clock.now(), request_ids=[f"req_{call.request_id.hex}"])
    file.write_text(json.dumps({"records": [new, {**new, "subject": "M2"}]}))
    first, second = await acme.say("predictions", "append", "Acme", str(file))
    assert [one["subject"] for one in (first, second)] == ["M1", "M2"]
    listed = await acme.say("predictions", "list", "Acme", "--subject", "M2")
    assert [one["id"] for one in listed] == [second["id"]]
    assert (await acme.say("predictions", "show", "Acme", first["id"]))["id"] == first["id"]
    assert (await acme.say("predictions", "check", "Acme"))["valid"]

    out, keys = acme.folder / "ledger.json", acme.folder / "keys.json"
    await acme.say("predictions", "export", "Acme", "--out", str(out))
    keys.write_text(json.dumps({"keys": await acme.say("predictions", "keys")}))
    elsewhere = Maas(
        {"MAAS_DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none"}, acme.firm, acme.folder
    )
    command = ("predictions", "verify", str(out))
    assert (await elsewhere.say(*command, "--keys", str(keys)))["head"] == second["digest"]
    assert (await elsewhere.say(*command, "--head", second["digest"]))["position"] == 2
    code, text = await elsewhere.run(*command, "--head", "0" * 64)
    assert (code, "another digest" in text) == (1, True)
    out.write_text(out.read_text().replace(second["token"][-20:], "A" * 20))
    code, text = await elsewhere.run(*command)
    assert (code, "NOT valid" in text) == (1, True)
    assert await elsewhere.refuse("predictions", "verify", str(file)) == "prediction_file_invalid"
    keys.write_text("[]")
    refused = await elsewhere.refuse(*command, "--keys", str(keys))
    assert refused == "prediction_file_invalid"


async def test_key_is_rotated_and_revoked(acme: Maas) -> None:
    first = await acme.say("predictions", "rotate-key", "vib")
    second = await acme.say("predictions", "rotate-key", "vib")
    assert (first["generation"], second["generation"]) == (1, 2)
    since = ("--since", "2026-10-01T00:00:00Z")
    command = ("predictions", "revoke-key", second["kid"], "--reason", "leaked")
    revoked = await acme.say(*command, *since)
    assert (revoked["reason"], revoked["invalid_from"]) == ("leaked", "2026-10-01T00:00:00.000Z")
    assert len(await acme.say("predictions", "keys")) == 3
    assert await acme.refuse(*command, "--since", "x") == "prediction_invalid"


async def test_event_is_reported_and_scored(acme: Maas) -> None:
    at = (acme.firm.story.clock.now() - timedelta(days=1)).isoformat()
    command = ("predictions", "report", "Acme", "W-1", "--event", "e", "--subject", "M1")
    assert (await acme.say(*command, "--at", at))["happened"]
    assert [one["business_key"] for one in await acme.say("predictions", "events", "Acme")] == [
        "W-1"
    ]
    scores = await acme.say("predictions", "scores", "Acme", "e")
    assert (scores["total"]["events"], scores["total"]["recall"]) == (1, 0.0)
    file = acme.folder / "bad.json"
    file.write_text("{}")
    assert await acme.refuse("predictions", "append", "Acme", str(file)) == "prediction_invalid"
