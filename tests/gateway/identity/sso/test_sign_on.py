"""Single sign-on: whose session is opened, when identities are linked, and stolen answers."""

from collections.abc import AsyncIterator, Mapping
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest

from billing.tables import Account
from gateway.identity.links import Links
from gateway.identity.login import SecondFactorRequired
from gateway.identity.memberships import NoAccount
from gateway.identity.roles import Role
from gateway.identity.services import build_identity
from gateway.identity.sso.configuration import ConfiguredProvider
from gateway.identity.sso.http import ProviderHttp
from gateway.identity.sso.linked_identities import (
    IdentityTaken,
    list_linked_identities,
    unlink_identities,
)
from gateway.identity.sso.oidc import OidcClient, OidcProvider
from gateway.identity.sso.provider import IdentityNotVerified
from gateway.identity.sso.sign_on import (
    BegunSignIn,
    IdentityUnknown,
    ProviderNotFound,
    ReturnedBrowser,
)
from infra.clock import SystemClock
from tests.support.fakes.identity_providers import (
    CLIENT,
    SECRET,
    FakeProviders,
    run_fake_providers,
)
from tests.support.gateway.desks import OFFICE, Desk, Someone
from tests.support.passwords import QUICK

EMAIL = "wang@acme.example"


@pytest.fixture
async def fake() -> AsyncIterator[FakeProviders]:
    async with run_fake_providers() as fake:
        yield fake


@pytest.fixture
async def sso(desk: Desk, fake: FakeProviders) -> Desk:
    """The desk with an issuer whose verified addresses of acme.example are linked."""
    provider = OidcProvider(OidcClient(fake.url, CLIENT, SECRET), ProviderHttp(), SystemClock())
    names = {"en": "Works", "zh": "厂内"}
    domains = frozenset({"acme.example"})
    providers: Mapping[str, ConfiguredProvider] = {
        "works": ConfiguredProvider("works", names, provider, domains),
        "other": ConfiguredProvider("other", names, provider),
    }
    links = Links("https://maas.example")
    desk.identity = build_identity(desk.database, desk.clock, b"s" * 32, links, QUICK, providers)
    return desk


async def returned(
    sso: Desk, fake: FakeProviders, someone: Someone | None = None, provider: str = "works"
) -> ReturnedBrowser:
    """A browser that signed in at the issuer, to sign in here or to link."""
    begun = await sso.identity.single_sign_on.begin(
        provider, "/dashboard/usage", someone.viewer if someone else None
    )
    return answered(begun, fake)


def answered(begun: BegunSignIn, fake: FakeProviders) -> ReturnedBrowser:
    query = {name: values[0] for name, values in parse_qs(urlsplit(begun.url).query).items()}
    fake.codes["code"] = query["nonce"], query["code_challenge"]
    return ReturnedBrowser({"code": "code", "state": query["state"]}, begun.cookie, OFFICE)


async def linked(sso: Desk, person_id: UUID) -> list[tuple[str, str]]:
    async with sso.database.transaction() as session:
        rows = await list_linked_identities(session, person_id)
        return [(row.provider, row.subject) for row in rows]


async def test_verified_address_of_a_configured_domain_is_linked_and_signed_in(
    sso: Desk, firm: Account, fake: FakeProviders
) -> None:
    wang = await sso.someone(firm.id, EMAIL)
    single = sso.identity.single_sign_on
    opened, path = await single.complete("works", await returned(sso, fake))
    assert path == "/dashboard/usage"
    assert (await sso.of(opened)).viewer.person_id == wang.viewer.person_id
    assert await linked(sso, wang.viewer.person_id) == [("works", "wang-1")]
    entries = await sso.entries(firm.id)
    assert entries[0].details["method"] == "works"
    fake.claims = {"email": "changed@acme.example"}
    again, _ = await single.complete("works", await returned(sso, fake))
    assert (await sso.of(again)).viewer.person_id == wang.viewer.person_id


@pytest.mark.parametrize(
    ("claims", "provider"),
    [
        ({"email_verified": "true"}, "works"),
        ({"email": "wang@acme.example.evil.example"}, "works"),
        ({"email": "nobody@acme.example"}, "works"),
        ({"email": "not an address"}, "works"),
        ({}, "other"),
    ],
)
async def test_address_that_proves_nothing_is_not_linked(
    sso: Desk, firm: Account, fake: FakeProviders, claims: dict[str, str], provider: str
) -> None:
    wang = await sso.someone(firm.id, EMAIL)
    fake.claims = claims
    browser = await returned(sso, fake, provider=provider)
    with pytest.raises(IdentityUnknown):
        await sso.identity.single_sign_on.complete(provider, browser)
    assert await linked(sso, wang.viewer.person_id) == []


async def test_staff_of_the_platform_is_not_linked_by_address(
    sso: Desk, fake: FakeProviders
) -> None:
    await sso.someone(None, EMAIL, Role.OPERATOR)
    with pytest.raises(IdentityUnknown):
        await sso.identity.single_sign_on.complete("works", await returned(sso, fake))


async def test_second_factor_is_asked_for_after_the_provider(
    sso: Desk, firm: Account, fake: FakeProviders
) -> None:
    wang = await sso.someone(firm.id, EMAIL)
    app, _ = await sso.enrolled(wang)
    with pytest.raises(SecondFactorRequired) as required:
        await sso.identity.single_sign_on.complete("works", await returned(sso, fake))
    code = app.at(sso.clock.now())
    login = sso.identity.login
    opened = await login.verify_second_factor(required.value.ticket, code, OFFICE)
    assert (await sso.of(opened)).viewer.person_id == wang.viewer.person_id


async def test_person_without_an_account_cannot_sign_in(
    sso: Desk, firm: Account, fake: FakeProviders
) -> None:
    await sso.someone(firm.id, EMAIL)
    await sso.sql("delete from membership")
    with pytest.raises(NoAccount):
        await sso.identity.single_sign_on.complete("works", await returned(sso, fake))


class TestLinking:
    async def test_signed_in_person_links_uses_and_removes_an_identity(
        self, sso: Desk, owner: Someone, firm: Account, fake: FakeProviders
    ) -> None:
        single = sso.identity.single_sign_on
        for _ in range(2):  # the second time has no effect
            browser = await returned(sso, fake, owner, "other")
            assert single.is_linking("other", browser.cookie)
            await single.complete_link("other", browser, owner.viewer)
        assert await linked(sso, owner.viewer.person_id) == [("other", "wang-1")]
        opened, _ = await single.complete("other", await returned(sso, fake, provider="other"))
        assert (await sso.of(opened)).viewer.person_id == owner.viewer.person_id
        async with sso.database.transaction() as session:
            removing = (session, sso.clock, owner.actor, firm.id, "other")
            assert await unlink_identities(*removing)
            assert not await unlink_identities(*removing)
        actions = [entry.action for entry in await sso.entries(firm.id)]
        assert actions.count("identity.linked") == actions.count("identity.unlinked") == 1
        with pytest.raises(IdentityUnknown):
            await single.complete("other", await returned(sso, fake, provider="other"))

    async def test_identity_of_another_person_is_not_taken_over(
        self, sso: Desk, owner: Someone, firm: Account, fake: FakeProviders
    ) -> None:
        wang, single = await sso.someone(firm.id, EMAIL), sso.identity.single_sign_on
        await single.complete_link("other", await returned(sso, fake, wang, "other"), wang.viewer)
        with pytest.raises(IdentityTaken):
            await single.complete_link(
                "other", await returned(sso, fake, owner, "other"), owner.viewer
            )
        assert await linked(sso, owner.viewer.person_id) == []

    async def test_linking_is_completed_only_by_the_person_who_began_it(
        self, sso: Desk, owner: Someone, firm: Account, fake: FakeProviders
    ) -> None:
        wang, single = await sso.someone(firm.id, EMAIL), sso.identity.single_sign_on
        browser = await returned(sso, fake, wang, "other")
        with pytest.raises(IdentityNotVerified):
            await single.complete_link("other", browser, owner.viewer)
        with pytest.raises(IdentityNotVerified):
            await single.complete("other", await returned(sso, fake, wang, "other"))


class TestStolenAnswers:
    async def test_answer_in_a_browser_without_the_cookie_is_refused(
        self, sso: Desk, owner: Someone, fake: FakeProviders
    ) -> None:
        browser = await returned(sso, fake)
        for cookie in (None, "", "bm90IHNlYWxlZA==", "not base64"):
            with pytest.raises(IdentityNotVerified, match="not begun in this browser"):
                await sso.identity.single_sign_on.complete(
                    "works", ReturnedBrowser(browser.parameters, cookie, OFFICE)
                )
        assert "/token" not in fake.received

    async def test_answer_of_another_attempt_is_refused(
        self, sso: Desk, owner: Someone, fake: FakeProviders
    ) -> None:
        victim, attacker = await returned(sso, fake), await returned(sso, fake)
        mixed = ReturnedBrowser(attacker.parameters, victim.cookie, OFFICE)
        with pytest.raises(IdentityNotVerified, match="not begun in this browser"):
            await sso.identity.single_sign_on.complete("works", mixed)

    async def test_cookie_of_another_provider_is_refused(
        self, sso: Desk, owner: Someone, fake: FakeProviders
    ) -> None:
        browser = await returned(sso, fake, provider="other")
        with pytest.raises(IdentityNotVerified, match="not begun in this browser"):
            await sso.identity.single_sign_on.complete("works", browser)

    async def test_attempt_expires_after_ten_minutes(
        self, sso: Desk, owner: Someone, fake: FakeProviders
    ) -> None:
        browser = await returned(sso, fake)
        sso.clock.pass_(seconds=601)
        with pytest.raises(IdentityNotVerified, match="expired"):
            await sso.identity.single_sign_on.complete("works", browser)


async def test_unknown_provider_is_refused(sso: Desk) -> None:
    with pytest.raises(ProviderNotFound):
        await sso.identity.single_sign_on.begin("nope", "/dashboard")
