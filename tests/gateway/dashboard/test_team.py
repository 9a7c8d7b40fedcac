"""Team pages: invitations, roles and removal of members, for owners only."""

import re
from uuid import UUID

from gateway.identity.audit_log import list_account_entries
from gateway.identity.roles import Role
from infra import ids
from tests.support.dashboard.firm import Firm
from tests.support.dashboard.looking import Looker, client, looker, words

EMAIL = "wu@acme.example"


def person(who: Looker) -> str:
    return f"/dashboard/team/{ids.format_id('person', who.person_id)}"


async def actions(office: Firm, account_id: UUID | None = None) -> list[str]:
    """Actions of people in the audit log, newest first."""
    account = account_id or office.gateway.account.id
    async with office.gateway.parts.database.transaction() as session:
        return [one.action for one in await list_account_entries(session, account) if one.email]


def links(page: str) -> list[str]:
    """Paths of the invitation links that a page shows. Their host is that of e-mails."""
    return re.findall(r"<code>http[^<]*(/dashboard/invitation/[^<]+)</code>", page)


def forms(page: str, what: str) -> list[tuple[str, str]]:
    """Addresses of the invitation forms, and the expiry of their links."""
    address = rf'action="(/dashboard/team/invitations/invitation_\w+/{what})"'
    until = r'name="until" value="([^"]+)"' if what == "resend" else "()"
    return re.findall(rf"{address}.*?{until}", page, re.DOTALL)


class TestInvitations:
    async def test_submitted_form_creates_invitation_with_a_link(self, office: Firm) -> None:
        owner = office.owner
        sent = {"email": EMAIL.upper(), "role": "finance"}
        answer = await owner.send("/dashboard/team/invitations", **sent)
        (link,) = links(answer.text)
        page = await owner.page("/dashboard/team")
        assert f"{EMAIL} Finance" in words(page)
        assert link not in page
        async with client(office.gateway.url) as http:
            assert "Your role: Finance" in words((await http.get(link)).text)

    async def test_repeated_invitation_is_rejected_and_new_role_replaces_the_first(
        self, office: Firm
    ) -> None:
        sent = {"email": EMAIL, "role": "viewer"}
        (link,) = links((await office.owner.send("/dashboard/team/invitations", **sent)).text)
        again = await office.owner.send("/dashboard/team/invitations", **sent)
        assert again.status_code == 422
        assert "This address is already invited." in again.text
        async with client(office.gateway.url) as http:
            assert (await http.get(link)).status_code == 200
        # With another role it is a new invitation, and the first link becomes invalid.
        other = {"email": EMAIL, "role": "owner"}
        assert links((await office.owner.send("/dashboard/team/invitations", **other)).text)
        async with client(office.gateway.url) as http:
            assert (await http.get(link)).status_code == 410

    async def test_resent_invitation_replaces_its_link_and_can_be_withdrawn(
        self, office: Firm
    ) -> None:
        owner = office.owner
        sent = {"email": EMAIL, "role": "viewer"}
        (first,) = links((await owner.send("/dashboard/team/invitations", **sent)).text)
        office.clock.to(office.clock.now().replace(microsecond=0))
        ((address, until),) = forms(await owner.page("/dashboard/team"), "resend")
        (second,) = links((await owner.send(address, until=until)).text)
        assert (await owner.send(address, until=until)).status_code == 303
        async with client(office.gateway.url) as http:
            assert (await http.get(first)).status_code == 410
            assert (await http.get(second)).status_code == 200
            ((address, _),) = forms(await owner.page("/dashboard/team"), "withdraw")
            assert (await office.stranger.send(address)).status_code == 404
            assert (await owner.send(address)).status_code == 303
            assert (await http.get(second)).status_code == 410
        assert "No open invitations" in await owner.page("/dashboard/team")
        assert await actions(office) == [
            "invitation.withdrawn",
            "invitation.sent_again",
            "invitation.made",
        ]

    async def test_errors_are_shown_beside_their_fields(self, office: Firm) -> None:
        for sent, said in (
            ({"email": "nobody", "role": "viewer"}, "Enter a valid e-mail address"),
            ({"email": EMAIL, "role": "operator"}, "Select a role."),
            ({"email": EMAIL}, "Select a role."),
        ):
            answer = await office.owner.send("/dashboard/team/invitations", **sent)
            assert answer.status_code == 422
            assert said in words(answer.text)
        assert await actions(office) == []


class TestMembers:
    async def test_owner_changes_role_ends_sessions_and_removes_member(self, office: Firm) -> None:
        owner, gateway = office.owner, office.gateway
        place = gateway.url, gateway.parts, gateway.account.id
        async with looker(*place, Role.DEVELOPER) as one:
            assert "Developer" in words(await owner.page(person(one)))
            assert (await owner.send(f"{person(one)}/sessions")).status_code == 303
            await one.page("/dashboard", 303)
        async with looker(*place, Role.DEVELOPER) as one:
            for _ in range(2):
                assert (await owner.send(f"{person(one)}/role", role="viewer")).status_code == 303
            await one.page("/dashboard", 303)
            answer = await owner.send(f"{person(one)}/role", role="support")
            assert answer.status_code == 422
            assert (await owner.send(f"{person(one)}/remove")).status_code == 303
            await owner.page(person(one), 404)
        said = ["member.removed", "member.role_changed", "member.sessions_ended"]
        assert await actions(office) == said

    async def test_last_owner_cannot_be_demoted_or_removed(self, office: Firm) -> None:
        owner = office.owner
        for what in ("role", "remove"):
            answer = await owner.send(f"{person(owner)}/{what}", role="viewer")
            assert answer.status_code == 422
            assert "An account must have an owner." in words(answer.text)
        assert (await owner.send(f"{person(owner)}/sessions")).status_code == 303
        await owner.page("/dashboard/team")
        gateway = office.gateway
        async with looker(gateway.url, gateway.parts, gateway.account.id):
            answer = await owner.send(f"{person(owner)}/remove")
        assert answer.headers["location"] == "/dashboard/sign-in"
        await owner.page("/dashboard/team", 303)


class TestTeamAccess:
    async def test_members_other_than_owner_can_only_view_the_team(self, office: Firm) -> None:
        gateway = office.gateway
        for role in (Role.DEVELOPER, Role.FINANCE, Role.VIEWER):
            async with looker(gateway.url, gateway.parts, gateway.account.id, role) as one:
                page = await one.page("/dashboard/team")
                assert "Li Xuemei" in page
                assert "/dashboard/team/" not in page
                await one.page(person(office.owner), 403)
                for address in ("invitations", "invitations/x/resend", "invitations/x/withdraw"):
                    assert (await one.send(f"/dashboard/team/{address}")).status_code == 403
                for what in ("role", "sessions", "remove"):
                    answer = await one.send(f"{person(one)}/{what}", role="owner")
                    assert answer.status_code == 403

    async def test_members_and_invitations_of_another_account_return_404(
        self, office: Firm
    ) -> None:
        for address in (person(office.owner), "/dashboard/team/x", "/dashboard/team/person_x"):
            await office.stranger.page(address, 404)
            for what in ("role", "sessions", "remove"):
                answer = await office.stranger.send(f"{address}/{what}", role="viewer")
                assert answer.status_code == 404
        for what in ("resend", "withdraw"):
            for one in ("x", f"invitation_{'0' * 32}"):
                address = f"/dashboard/team/invitations/{one}/{what}"
                assert (await office.owner.send(address)).status_code == 404
