"""`maas models`: ratings, proposal, promotion and rollback of a version, and its provenance."""

from dataclasses import replace

import pytest

import gateway.cli.models.commands
import gateway.cli.models.training
import gateway.shared_models.factory
from tests.support.builders import CATALOG, CHAT
from tests.support.gateway.commands import Maas
from tests.support.gateway.shops import SHARED, SOLD, Shop, tasks
from tests.support.nightly import nightly


@pytest.fixture
def cli(shop: Shop, maas: Maas, monkeypatch: pytest.MonkeyPatch) -> Maas:
    """The `maas` command, configured for the running platform."""
    for module in (gateway.cli.models.commands, gateway.cli.models.training):
        monkeypatch.setattr(module, "load_configured_catalog", lambda _settings: SOLD)
    monkeypatch.setattr(gateway.shared_models.factory, "load_available", lambda _folder: tasks())
    more = {"MAAS_SERVING_URL": shop.serving.url, "MAAS_IMPROVE_MIN_EXAMPLES": "20"}
    return replace(maas, environment={**maas.environment, **more})


@nightly
async def test_models_command_proposes_rolls_back_and_promotes(shop: Shop, cli: Maas) -> None:
    await shop.corrected()
    answer = await shop.answer()
    await shop.firms[0].says(answer._request_id, "good")
    (rated,) = await cli.say("models", "ratings")
    assert rated == {"model": SHARED, "good": 1, "bad": 24, "lessons": 24}
    assert SHARED in await cli.tell("models", "ratings")

    code, out = await cli.run("models", "propose", SHARED, "--by", "Li Wei", "--json")
    assert code == 0, out
    assert '"status": "promoted"' in out.splitlines()[-1]
    newest, built_in = await cli.say("models", "versions", SHARED)
    assert (newest["version"], newest["answers"], newest["parent"]) == (f"{SHARED}@1", True, 0)
    assert [(line["what"], line["by"]) for line in newest["history"]] == [
        ("proposed", "Li Wei"),
        ("promoted", "Li Wei"),
    ]
    assert (built_in["number"], built_in["answers"]) == (0, False)

    examples = await cli.say("models", "provenance", f"{SHARED}@1")
    assert (len(examples), {one["now"] for one in examples}) == (24, {"given"})
    assert len({one["account"] for one in examples}) == 3

    done = await cli.say("models", "rollback", SHARED)
    assert done == {"model": SHARED, "answers": SHARED, "before": f"{SHARED}@1"}
    newest, built_in = await cli.say("models", "versions", SHARED)
    assert (newest["status"], built_in["answers"]) == ("rolled_back", True)
    done = await cli.say("models", "promote", SHARED, "1")
    assert done["answers"] == f"{SHARED}@1"
    assert "rolled back to 0" in str(await cli.say("models", "versions", SHARED))


async def test_invalid_model_or_version_is_rejected_with_a_code(shop: Shop, cli: Maas) -> None:
    assert await cli.refuse("models", "versions", CHAT) == "model_not_shared"
    assert await cli.refuse("models", "versions", "nothing") == "model_not_shared"
    assert await cli.refuse("models", "promote", SHARED, "1") == "model_version_not_found"
    assert await cli.refuse("models", "rollback", SHARED) == "model_version_unfit"
    assert await cli.refuse("models", "propose", SHARED) == "too_few_examples"
    for name in (SHARED, f"{SHARED}@", f"{SHARED}@0", f"{SHARED}@x", f"{SHARED}@" + "9" * 30, "@1"):
        code = await cli.refuse("models", "provenance", name)
        assert code == "model_version_not_found"


async def test_models_command_lists_the_catalog(maas: Maas) -> None:
    rows = await maas.say("models")
    assert {row["id"] for row in rows} == set(CATALOG.models)
    assert CHAT in await maas.tell("models")
