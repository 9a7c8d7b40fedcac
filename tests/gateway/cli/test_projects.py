"""`maas projects` and the project of `maas keys` and `maas usage`."""

from uuid import UUID

from tests.support.billing.project_rows import use_in
from tests.support.gateway.commands import Maas


async def test_project_is_created_budgeted_and_archived(maas: Maas) -> None:
    made = await maas.say("projects", "create", "Acme", "Line 3", "--monthly", "200")
    assert made["monthly"] == "0.000000000 / 200.000000000"
    project = made["id"]
    budget = ("projects", "budget", "Acme", "line 3", "--monthly", "none", "--daily", "5")
    changed = await maas.say(*budget, "--alerts", "50, 90")
    assert (changed["monthly"], changed["daily"]) == (None, "0.000000000 / 5.000000000")
    assert changed["budget"]["alert_percentages"] == [50, 90]
    reset = await maas.say("projects", "budget", "Acme", project, "--alerts", "account")
    assert reset["budget"]["alert_percentages"] is None
    key = await maas.say("keys", "create", "Acme", "--name", "PLC", "--project", "Line 3")
    other = await maas.say("keys", "create", "Acme", "--name", "other")
    await maas.say("projects", "move-key", "Acme", project, other["id"])
    shown = await maas.say("projects", "show", "Acme", project)
    assert {one["id"] for one in shown["api_keys"]} == {key["id"], other["id"]}
    await maas.say("projects", "rename", "Acme", project, "Line 4")
    assert "Line 4" in await maas.tell("projects", "list", "Acme")
    archived = await maas.say("projects", "archive", "Acme", "Line 4")
    assert archived["status"] == "archived"
    assert [one["name"] for one in await maas.say("projects", "list", "Acme")] == [
        "Default project"
    ]
    assert len(await maas.say("projects", "list", "Acme", "--archived")) == 2


async def test_service_account_and_usage_of_a_project(maas: Maas) -> None:
    await maas.say("projects", "create", "Acme", "Line 3")
    account = await maas.say("projects", "create-service-account", "Acme", "Line 3", "PLC 7")
    assert account["key"].startswith("maas_")
    listed = await maas.say("projects", "service-accounts", "Acme", "Line 3")
    assert [one["name"] for one in listed] == ["PLC 7"]
    await maas.say("projects", "delete-service-account", "Acme", "Line 3", account["id"])
    assert await maas.say("projects", "service-accounts", "Acme", "Line 3") == []
    assert await maas.say("projects", "members", "Acme", "Line 3") == []


async def test_errors_are_shown_and_change_nothing(maas: Maas) -> None:
    await maas.say("projects", "create", "Acme", "Line 3")
    for arguments, code in (
        (("create", "Acme", "LINE 3"), "project_name_taken"),
        (("show", "Acme", "Line 9"), "project_not_found"),
        (("budget", "Acme", "Line 3", "--daily", "much"), "budget_invalid"),
        (("budget", "Acme", "Line 3", "--alerts", "all"), "budget_invalid"),
        (("archive", "Acme", "Default project"), "default_project"),
        (("add-member", "Acme", "Line 3", "nobody@example.com"), "project_user_not_found"),
    ):
        assert await maas.refuse("projects", *arguments) == code
    assert len(await maas.say("projects", "list", "Acme")) == 2


async def test_usage_is_filtered_and_grouped_by_project(maas: Maas) -> None:
    story = maas.firm.story
    made = await maas.say("projects", "create", "Acme", "Line 3")
    await use_in(maas.firm, UUID(hex=made["id"].removeprefix("proj_")), rows=5)
    await maas.firm.use("vib", rows=2)
    await story.counts()
    rows = await maas.say("usage", "--account", "Acme", "--project", "Line 3")
    assert [row["rows"] for row in rows] == [5]
    assert await maas.say("usage", "--project", made["id"]) == rows
