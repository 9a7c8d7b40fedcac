"""`maas credit`: a policy from its file to decisions, securities, exposure and replay."""

from pathlib import Path

import pytest

import gateway.cli.runner
from tests.support.billing.credit import STANDARD, bill_rows, decide_all
from tests.support.gateway.commands import Maas

WHY = ("--reason", "agreed by phone")


@pytest.fixture
def maas_on_calendar(maas: Maas, monkeypatch: pytest.MonkeyPatch) -> Maas:
    monkeypatch.setattr(gateway.cli.runner, "SystemClock", lambda: maas.firm.story.clock)
    return maas


def policy_file(maas: Maas, text: str = STANDARD) -> str:
    file = Path(maas.folder) / "standard.toml"
    file.write_text(text)
    return str(file)


async def test_policy_is_published_assigned_decided_and_replayed(maas_on_calendar: Maas) -> None:
    maas = maas_on_calendar
    account = maas.firm.account.name
    published = await maas.say("credit", "policies", "publish", policy_file(maas))
    assert (published["policy"], published["number"]) == ("standard", 1)
    wrong = policy_file(maas, STANDARD.replace('limit = "3000.00"', 'limit = "1.00"'))
    assert await maas.refuse("credit", "policies", "publish", wrong) == "credit_policy_invalid"
    assert (await maas.say("credit", "policies", "show", "standard"))["starting"] == 500_00

    assigned = await maas.say("credit", "assign", account, "standard", *WHY)
    assert (assigned["limit"], assigned["policy"]) == ("500.00", "standard")
    assert assigned["next_raise"] == {"limit": "1000.00", "missing": {"paid_on_time": 2}}
    fixed = ("limits", "set", account, "--credit-limit", "900")
    assert await maas.refuse(*fixed) == "credit_policy_applies"
    until = ("--limit", "80.00", "--until", "2026-10-20")
    overridden = await maas.say("credit", "override", account, *until, *WHY)
    assert overridden["reasons"][0]["code"] == "override"
    ended = await maas.say("credit", "override", account, "--end", *WHY)
    assert ended["limit"] == "500.00"
    shown = await maas.say("credit", "show", account)
    assert [one["event"] for one in shown["decisions"]] == [
        "override_ended",
        "override",
        "assignment",
    ]
    replayed = await maas.say("credit", "replay")
    assert (replayed["decisions"], replayed["differences"]) == (3, 0)


async def test_deposit_guarantee_and_chargeback_change_the_limit(maas_on_calendar: Maas) -> None:
    maas = maas_on_calendar
    firm, account = maas.firm, maas.firm.account.name
    await firm.billed(net_days=0)
    await maas.say("credit", "policies", "publish", policy_file(maas))
    await maas.say("credit", "assign", account, "standard", *WHY)
    received = ("credit", "deposit", "receive", account, "100.00", "--reference", "d-1")
    assert (await maas.say(*received))["balance"] == "100.00"
    guarantee = ("--guarantor", "Bank", "--valid-until", "2027-01-01", "--reference", "g-1")
    added = await maas.say("credit", "guarantee", "add", account, "50.00", *guarantee)
    assert (added["status"], added["amount"]) == ("valid", "50.00")
    assert (await maas.say("credit", "show", account))["limit"] == "625.00"
    await bill_rows(firm, 40_000, 2026, 11, 1)
    firm.story.clock.pass_(days=1)
    invoice = (await firm.invoices())[0]
    use = ("credit", "deposit", "apply", account, f"inv_{invoice.id.hex}", "--reference", "u-1")
    assert (await maas.say(*use, "--amount", "15.00"))["balance"] == "85.00"
    back = ("credit", "deposit", "return", account, "85.00", "--reference", "r-1")
    assert (await maas.say(*back))["balance"] == "0.00"
    movements = (await maas.say("credit", "deposit", "show", account))["movements"]
    assert [one["kind"] for one in movements] == ["returned", "applied", "received"]
    ended = await maas.say("credit", "guarantee", "end", account, added["id"], *WHY)
    assert ended["status"] == "ended"
    await firm.pays(invoice, "25.00", "bank-9")
    charged_back = await maas.say("credit", "chargeback", account, "bank-9", *WHY)
    assert charged_back["status"] == "open"
    await decide_all(firm.story)
    assert (await maas.say("credit", "show", account))["frozen"] is True


async def test_exposure_limit_and_dunning_days_are_set(maas_on_calendar: Maas) -> None:
    maas = maas_on_calendar
    account = maas.firm.account.name
    set_limit = ("credit", "exposure", "--limit", "5000.00")
    report = await maas.say(*set_limit)
    assert report["scopes"][0]["limit"] == "5000.00"
    assert report["accounts"][0]["account"] == account
    days = ("credit", "dunning", account, *WHY)
    own = await maas.say(*days, "--reminders", "3,7", "--suspend", "20", "--write-off", "90")
    assert own == {"reminder_days": [3, 7], "suspend_day": 20, "write_off_day": 90}
    assert (await maas.say(*days))["suspend_day"] == 15
    wrong = ("--reminders", "9", "--suspend", "3")
    assert await maas.refuse(*days, *wrong) == "credit_policy_invalid"
