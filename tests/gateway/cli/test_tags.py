"""`maas tags`: alignment and proposals without a server."""

from tests.support.gateway.commands import Maas

TAGS = "site / vav 1 / dmpr pos\nsite / vav 2 / dmpr pos\n\nsite / vav 1 / room temp\n"
OWN = '[{"id": "RT", "name": "Room temperature"}, {"id": "DP", "name": "Damper position"}]'


async def test_tags_are_aligned_and_proposed(maas: Maas) -> None:
    tags, own = maas.folder / "tags.txt", maas.folder / "own.json"
    tags.write_text(TAGS, encoding="utf-8")
    own.write_text(OWN, encoding="utf-8")
    aligned = await maas.say("tags", "align", str(tags), "--concepts", str(own))
    assert [row["concept"] for row in aligned["tags"]] == ["DP", "DP", "RT"]
    assert aligned["tags"][0]["equipment"] == "vav 1"
    proposed = await maas.say("tags", "propose", str(tags), "--count", "1")
    assert proposed["tags"] == [{"rank": 1, "tag": "site / vav 1 / dmpr pos"}]
    tags.write_text("", encoding="utf-8")
    assert await maas.refuse("tags", "propose", str(tags)) == "invalid_value"
