"""`maas agents limits` and `commands`: an owner signs limits, an operator adds and revokes them."""

from pathlib import Path

import pytest

from billing.outcomes.evidence.signatures import generate_key_pair
from gateway.agents.commands.limits_file import read_limits
from gateway.plant.commands.errors import CommandLimitsInvalid
from infra import ids
from tests.support.gateway.commands import Maas
from tests.support.plant.commands import NOW

_TOML = """
account = "ACCOUNT"
connector = "line-1"
expires_at = 2126-12-01T00:00:00Z

[[points]]
tag = "P-101.SP"
unit = "°C"
minimum = 20
maximum = 60
max_step = 5
min_interval = "5m"
dead_man = "15m"
safe_value = 30
"""


def test_durations_and_units_of_the_file_are_converted() -> None:
    (point,) = read_limits(_TOML, NOW).points
    assert (point.unit, point.min_interval_s, point.dead_man_s) == ("degC", 300.0, 900.0)
    assert (point.confirm_within_s, point.max_per_hour, point.tolerance) == (10.0, 60, 0.0)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('unit = "°C"', 'unit = "furlong/x"'),
        ('min_interval = "5m"', 'min_interval = "often"'),
        ("minimum = 20", "minimum = 90"),
        ("minimum = 20", "lowest = 20"),
        ("safe_value = 30", ""),
        ("2126-12-01T00:00:00Z", "2020-12-01T00:00:00Z"),
        ("2126-12-01T00:00:00Z", "2126-12-01T00:00:00"),
        ("[[points]]", "[[points"),
        ('tag = "P-101.SP"', 'tag = ""'),
    ],
)
def test_invalid_file_is_not_signed(old: str, new: str) -> None:
    with pytest.raises(CommandLimitsInvalid):
        read_limits(_TOML.replace(old, new), NOW)


async def test_limits_are_signed_added_shown_and_revoked(maas: Maas, tmp_path: Path) -> None:
    private, public = generate_key_pair()
    account = ids.format_id("acct", maas.firm.account.id)
    for name, content in (("owner.pem", private), ("owner.pub.pem", public)):
        (tmp_path / name).write_bytes(content)
    (tmp_path / "limits.toml").write_text(_TOML.replace("ACCOUNT", account), encoding="utf-8")
    out = tmp_path / "limits.jws"
    key = ("--key", str(tmp_path / "owner.pem"))
    sign = ("agents", "limits", "sign", str(tmp_path / "limits.toml"), *key, "--out", str(out))
    signed = await maas.say(*sign)
    assert signed["points"][0]["dead_man_s"] == 900.0
    add = ("agents", "limits", "add", "Acme", str(out), "--key")
    added = await maas.say(*add, str(tmp_path / "owner.pub.pem"))
    assert (added["status"], added["sha256"]) == ("active", signed["sha256"])
    listed = await maas.say("agents", "limits", "list", "Acme")
    assert [one["id"] for one in listed] == [added["id"]]
    shown = await maas.say("agents", "limits", "show", "Acme", added["id"])
    assert shown["limits"] == out.read_text()
    revoked = await maas.say("agents", "limits", "revoke", "Acme", added["id"])
    assert revoked["status"] == "revoked"
    assert await maas.say("agents", "limits", "connectors", "Acme") == []
    assert await maas.say("agents", "commands", "list", "Acme") == []
    for wrong in (
        sign,
        (*add, str(tmp_path / "limits.toml")),
        ("agents", "limits", "show", "Acme", "lim_1"),
        ("agents", "commands", "show", "Acme", "cmd_1"),
    ):
        await maas.refuse(*wrong)
