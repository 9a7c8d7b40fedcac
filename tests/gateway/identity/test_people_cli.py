"""`maas people`: invites, lists, unlocks and dismisses people from a terminal."""

from collections.abc import AsyncIterator

import pytest

from gateway.identity.invitation_acceptance import Registration
from gateway.identity.links import Links
from gateway.identity.roles import Role
from gateway.identity.services import build_identity
from infra.database.database import Database
from infra.secrets.secret_key import secret_key
from infra.settings import Settings
from tests.support.gateway.commands import Maas
from tests.support.gateway.desks import OFFICE, PASSWORD, Desk
from tests.support.passwords import QUICK
from tests.support.stories.story import Calendar

OWNER = ("people", "invite", "--account", "Acme", "--email", "Li@Acme.example", "--role", "owner")


@pytest.fixture
async def desk(maas: Maas, database_url: str) -> AsyncIterator[Desk]:
    """Identity services on the database and with the secret key of the command."""
    settings = Settings(database_url=database_url, data_dir=maas.folder)
    database, clock = Database(database_url), Calendar()
    clock.set(2026, 10, 1)
    links = Links.from_settings(settings)
    secret = secret_key(settings)
    yield Desk(database, clock, build_identity(database, clock, secret, links, QUICK))
    await database.close()


class TestPeopleCommand:
    async def test_printed_invitation_link_creates_an_owner(self, maas: Maas, desk: Desk) -> None:
        said = await maas.say(*OWNER)
        assert said["email"] == "li@acme.example"
        base, _, secret = said["link"].rpartition("/")
        assert base == "http://127.0.0.1:8080/dashboard/invitation"
        await desk.identity.invitation_acceptance.accept(
            secret, Registration("Li", PASSWORD), OFFICE
        )
        again = await desk.sign_in("li@acme.example")
        assert again.viewer.role is Role.OWNER
        (listed,) = await maas.say("people", "list")
        assert listed["belongs"] == [
            {
                "account": f"acct_{maas.firm.account.id.hex}",
                "name": "Acme",
                "role": "owner",
            }
        ]
        assert "Acme (owner)" in await maas.tell("people", "list")
        (mail,) = await desk.mails("invitation")
        assert said["link"] in mail[2]
        unlocked = await maas.say("people", "unlock", "--email", "li@acme.example")
        assert unlocked == {"email": "li@acme.example", "attempts_forgotten": False}
        assert [one.action for one in await desk.entries()][:1] == ["person.unlocked"]

    async def test_operator_and_support_are_invited_and_dismissed(
        self, maas: Maas, desk: Desk
    ) -> None:
        for role, email in (("operator", "op@x.example"), ("support", "su@x.example")):
            said = await maas.say("people", "operator", "--email", email, "--role", role)
            secret = said["link"].rpartition("/")[2]
            opened = await desk.identity.invitation_acceptance.accept(
                secret, Registration("A", PASSWORD), OFFICE
            )
            someone = await desk.of(opened)
            assert someone.viewer.role.value == role
        assert await maas.say("people", "dismiss", "--email", "SU@x.example")
        assert await desk.viewer(someone.token) is None
        assert await maas.refuse("people", "dismiss", "--email", "su@x.example") == (
            "person_not_found"
        )

    async def test_links_use_the_public_url(self, maas: Maas) -> None:
        maas.environment = {**maas.environment, "MAAS_PUBLIC_URL": "https://maas.plant.example/"}
        said = await maas.say(*OWNER)
        assert said["link"].startswith("https://maas.plant.example/dashboard/invitation/")

    async def test_invalid_arguments_are_rejected_with_an_error_code(self, maas: Maas) -> None:
        for arguments, code in (
            (("invite", "--account", "Nobody", "--email", "a@x.example"), "account_not_found"),
            (("invite", "--account", "Acme", "--email", "nobody"), "email_invalid"),
            (
                ("invite", "--account", "Acme", "--email", "a@x.example", "--role", "support"),
                "role_invalid",
            ),
            (("operator", "--email", "a@x.example", "--role", "owner"), "role_invalid"),
            (("unlock", "--email", "a@x.example"), "person_not_found"),
        ):
            assert await maas.refuse("people", *arguments) == code
        assert await maas.say("people", "list") == []
