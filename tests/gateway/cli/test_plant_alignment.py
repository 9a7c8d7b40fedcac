"""`maas plant alignment`, `queue` and `compare`."""

from pathlib import Path

from tests.support.builders import ALIGNMENT, REMAINING_LIFE
from tests.support.gateway.commands import Maas

CONCEPT = "https://brickschema.org/schema/Brick#Pressure_Sensor"
ACCOUNT = ("--account", "Acme")


async def test_alignment_is_set_shown_and_stopped(maas: Maas) -> None:
    assert await maas.refuse("plant", "alignment", *ACCOUNT) == "plant_alignment_not_found"
    await maas.say("keys", "create", "Acme")
    settings = ("--budget", "20", "--training-budget", "5", "--confirmations", "50")
    found = await maas.say("plant", "alignment", *ACCOUNT, *settings)
    assert (found["model_in_use"], found["training"]["confirmations"]) == (ALIGNMENT, 50)
    shown = await maas.say("plant", "alignment", *ACCOUNT)
    assert shown["points"] == {"unmapped": 0, "proposed": 0, "confirmed": 0}
    invalid = ("--budget", "-1")
    assert await maas.refuse("plant", "alignment", *ACCOUNT, *invalid) == "invalid_value"
    unknown = ("--budget", "1", "--model", REMAINING_LIFE)
    assert await maas.refuse("plant", "alignment", *ACCOUNT, *unknown) == "invalid_value"
    assert (await maas.say("plant", "alignment", *ACCOUNT, "--off"))["deleted"] is True


async def test_plants_are_compared(maas: Maas, tmp_path: Path) -> None:
    own, other, pairs = (tmp_path / name for name in ("own.csv", "other.csv", "pairs.csv"))
    own.write_text(f"tag,unit,concept\nP1,bar,{CONCEPT}\n", encoding="utf-8")
    other.write_text(f"tag,unit,concept\nPI-7,°C,{CONCEPT}\n", encoding="utf-8")
    await maas.say("plant", "import", str(own), *ACCOUNT)
    assert await maas.say("plant", "queue", *ACCOUNT) == []
    found = await maas.say("plant", "compare", str(other), *ACCOUNT, "--csv", str(pairs))
    assert (found["pairs"], found["units"]["inconvertible"]) == (1, 1)
    assert found["first_pairs"][0]["other"]["tag"] == "PI-7"
    assert "PI-7" in pairs.read_text(encoding="utf-8")
    assert await maas.refuse("plant", "compare", str(other)) == "invalid_value"
