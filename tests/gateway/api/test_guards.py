"""`/v1/guards` and `maas guards`: set, read and remove an account's guard."""

import json

from gateway.access.key_scopes import Scope, change_scope
from gateway.identity.audit_log import CLI_ACTOR, list_account_entries
from tests.support.builders import CHAT, Gateway
from tests.support.gateway.commands import Maas
from tests.support.gateway.errors import error_of

RULE = {"kind": "words", "action": "refuse", "applies_to": "both", "words": ["falcon"]}


async def test_guard_is_set_read_and_removed(gateway: Gateway) -> None:
    http = gateway.http
    assert (await http.get("/v1/guards")).json() == {"object": "guard", "rules": []}
    answer = await http.put("/v1/guards", json={"rules": [RULE]})
    assert answer.json() == {"object": "guard", "rules": [RULE]}
    await gateway.until(400, "the falcon")
    assert (await http.get("/v1/guards")).json()["rules"] == [RULE]
    removed = {"object": "guard.deleted", "deleted": True}
    assert (await http.delete("/v1/guards")).json() == removed
    await gateway.until(200, "the falcon")
    assert (await http.delete("/v1/guards")).json() == {**removed, "deleted": False}


async def test_changes_are_audited_without_words(gateway: Gateway) -> None:
    for _ in range(2):  # an equal guard changes nothing
        await gateway.http.put("/v1/guards", json={"rules": [RULE]})
    await gateway.http.delete("/v1/guards")
    async with gateway.parts.database.transaction() as session:
        entries = await list_account_entries(session, gateway.account.id)
    guards = [one for one in entries if one.action.startswith("guard.")]
    assert [one.action for one in guards] == ["guard.removed", "guard.changed"]
    assert guards[1].details["to"] == {"rules": ["words refuse both 1"]}
    assert guards[1].is_by_key


async def test_invalid_guard_names_the_field(gateway: Gateway) -> None:
    answer = await gateway.http.put("/v1/guards", json={"rules": [{**RULE, "words": []}]})
    error = error_of(answer)
    assert (answer.status_code, error["code"]) == (400, "guard_invalid")
    assert error["param"] == "rules[0].words"


async def test_model_of_a_rule_must_be_one_that_judges_texts(gateway: Gateway) -> None:
    rule = {"kind": "model", "action": "refuse", "applies_to": "both", "model": CHAT}
    answer = await gateway.http.put("/v1/guards", json={"rules": [rule]})
    assert (answer.status_code, error_of(answer)["param"]) == (400, "rules[0].model")


async def test_restricted_key_reads_but_does_not_change(gateway: Gateway) -> None:
    key = gateway.key.row
    async with gateway.parts.database.transaction() as session:
        scope = Scope(models=[CHAT])
        clock = gateway.parts.clock
        await change_scope(session, clock, CLI_ACTOR, gateway.account.id, key.id, scope)
    await gateway.caught_up()
    assert (await gateway.http.get("/v1/guards")).status_code == 200
    for answer in (
        await gateway.http.put("/v1/guards", json={"rules": [RULE]}),
        await gateway.http.delete("/v1/guards"),
    ):
        assert answer.status_code == 403
        assert error_of(answer)["code"] == "guard_change_not_allowed"


async def test_commands_set_show_and_remove(maas: Maas) -> None:
    file = maas.folder / "guard.json"
    file.write_text(json.dumps({"rules": [RULE]}), encoding="utf-8")
    assert await maas.say("guards", "set", "Acme", str(file)) == {"rules": [RULE]}
    assert await maas.say("guards", "show", "Acme") == {"rules": [RULE]}
    assert await maas.say("guards", "remove", "Acme") == {"removed": True}
    assert await maas.say("guards", "remove", "Acme") == {"removed": False}
    file.write_text("[]", encoding="utf-8")
    assert await maas.refuse("guards", "set", "Acme", str(file)) == "guard_invalid"
