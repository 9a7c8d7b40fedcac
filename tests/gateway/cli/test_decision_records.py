"""`maas decision-records`: list, show and verify."""

import json

from billing.outcomes.evidence.signatures import public_pem
from gateway.agents.rounds.report import report_hash
from gateway.agents.rounds.signing import PURPOSE, round_message
from infra import ids
from infra.database.database import Database
from infra.secrets.secret_key import secret_key
from infra.secrets.signing_key import SigningKey
from infra.settings import Settings
from tests.support.gateway.commands import Maas
from tests.support.gateway.decided import record


async def test_record_is_listed_shown_and_verified(maas: Maas, database: Database) -> None:
    settings = Settings(data_dir=maas.folder)
    account = maas.firm.account.id
    signed = await record(database, secret_key(settings), account, ids.new_id(), "torque 50 Nm")
    name = ids.format_id("drec", signed.id)
    listed = await maas.say("decision-records", "list", "Acme")
    assert [(one["id"], one["verdict"]) for one in listed] == [(name, "yes")]
    shown = await maas.say("decision-records", "show", "Acme", name)
    file = maas.folder / "record.json"
    file.write_text(json.dumps(shown), encoding="utf-8")
    assert (await maas.say("decision-records", "verify", str(file)))["authentic"]
    shown["document"] = shown["document"].replace('"yes"', '"no"')
    file.write_text(json.dumps(shown), encoding="utf-8")
    code, out = await maas.run("decision-records", "verify", str(file), "--json")
    assert (code, json.loads(out)["authentic"]) == (1, False)


async def test_unknown_record_and_unreadable_file_are_errors(maas: Maas) -> None:
    unknown = ids.format_id("drec", ids.new_id())
    found = await maas.refuse("decision-records", "show", "Acme", unknown)
    assert found == "decision_record_not_found"
    file = maas.folder / "other.json"
    file.write_text("{}", encoding="utf-8")
    assert await maas.refuse("decision-records", "verify", str(file)) == "decision_record_invalid"


async def test_report_of_an_inspection_round_is_verified_and_a_changed_one_is_not(
    maas: Maas,
) -> None:
    key, round_id = SigningKey(b"secret of the installation", PURPOSE), ids.new_id()
    report = {"round": ids.format_id("round", round_id), "late": False, "low": 1e15, "value": 9.0}
    shown = {
        "id": report["round"],
        "report": report,
        "signature": key.sign(round_message(round_id, report_hash(report))),
        "public_key": public_pem(key.public_key),
    }
    file = maas.folder / "report.json"
    for changed, is_authentic in (
        ({}, True),
        ({"report": {**report, "late": True}}, False),
        ({"id": ids.format_id("round", ids.new_id())}, False),
        ({"public_key": public_pem(SigningKey(b"another", PURPOSE).public_key)}, False),
    ):
        file.write_text(json.dumps({**shown, **changed}), encoding="utf-8")
        code, out = await maas.run("decision-records", "verify", str(file), "--json")
        assert (code, json.loads(out)["authentic"]) == (not is_authentic, is_authentic)
    file.write_text(json.dumps({**shown, "signature": None}), encoding="utf-8")
    assert await maas.refuse("decision-records", "verify", str(file)) == "decision_record_invalid"
