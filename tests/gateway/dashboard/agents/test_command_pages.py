"""The page of commands to machines: limits added and revoked, and what was written."""

from pathlib import Path

from gateway.identity.roles import Role
from tests.support.dashboard.firm import Firm
from tests.support.dashboard.looking import looker, words
from tests.support.gateway.commanded_works import DEAD_MAN, CommandedWorks
from tests.support.gateway.watched_pumps import import_pump, read

PAGE = "/dashboard/agents/commands"


async def test_limits_are_added_used_and_revoked(office: Firm, tmp_path: Path) -> None:
    gateway, owner = office.gateway, office.owner
    await import_pump(gateway)
    await read(gateway, 9.0)
    works = CommandedWorks(gateway, tmp_path)
    page = words(await owner.page(PAGE))
    assert "This is not a safety system" in page
    assert "No limits yet" in page
    wrong = await owner.send(f"{PAGE}/limits", limits="x.y.z", key=works.public)
    assert wrong.status_code == 422
    assert "The signature does not fit" in words(wrong.text)
    added = await owner.send(f"{PAGE}/limits", limits=works.signed(DEAD_MAN), key=works.public)
    assert added.status_code == 303
    agent = await works.agent()
    await works.tick()
    await works.exchange()
    works.journal.close()
    text = await owner.page(PAGE)
    shown = words(text)
    for said in ("line-1", "2 – 6 bar", "2 bar after 15 minutes", "Written and read back", "4 bar"):
        assert said in shown, said
    assert "P-101.SP → 3 bar" in words(await owner.page(f"/dashboard/agents/{agent}"))
    (limits,) = await works.listed("limits")
    revoke = f"{PAGE}/limits/{limits['id']}/revoke"
    assert revoke in text
    viewing = looker(gateway.url, gateway.parts, gateway.account.id, Role.VIEWER)
    async with viewing as viewer:
        assert revoke not in await viewer.page(PAGE)
        assert (await viewer.send(revoke)).status_code == 403
    assert (await office.stranger.send(revoke)).status_code == 404
    assert (await owner.send(revoke)).status_code == 303
    assert "Revoked" in words(await owner.page(PAGE))
