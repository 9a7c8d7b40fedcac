"""`maas incidents`: opened, updated, listed and shown."""

from tests.support.gateway.commands import Maas


async def test_incident_is_opened_updated_listed_and_shown(maas: Maas) -> None:
    words = ("--title-en", "Slow answers", "--text-en", "We are looking.", "--model", "llm")
    opened = await maas.say("incidents", "open", *words, "--impact", "critical")
    assert (opened["impact"], opened["models"]) == ("critical", ["llm"])
    place = ("incidents", "update", opened["id"])
    await maas.say(*place, "identified", "--text-zh", "已找到原因。")
    (listed,) = await maas.say("incidents", "list")
    assert (listed["title"], listed["status"]) == ("Slow answers", "identified")
    await maas.say(*place, "resolved", "--text-zh", "已恢复。")
    shown = await maas.say("incidents", "show", opened["id"])
    assert [one["status"] for one in shown["updates"]] == [
        "resolved",
        "identified",
        "investigating",
    ]
    assert await maas.refuse(*place, "resolved", "--text-zh", "x") == "incident_resolved"
    assert await maas.refuse("incidents", "show", "incident_x") == "incident_not_found"
