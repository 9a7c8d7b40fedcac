"""Passkeys: creation and sign-in with a software authenticator, and answers that prove nothing."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from billing.tables import Account
from gateway.identity.links import Links
from gateway.identity.passkeys.ceremony import PasskeyRefused, RelyingParty
from gateway.identity.passkeys.service import (
    PasskeysUnavailable,
    TooManyPasskeys,
    list_passkeys,
    remove_passkey,
)
from gateway.identity.services import build_identity
from tests.support.gateway.authenticator import Authenticator, decoded
from tests.support.gateway.desks import OFFICE, Desk, Someone
from tests.support.passwords import QUICK

HOST, ORIGIN = "maas.example", "https://maas.example"


def device() -> Authenticator:
    return Authenticator(ORIGIN, HOST)


async def registered(
    desk: Desk, someone: Someone, used: Authenticator, name: str = "Office PC"
) -> None:
    service = desk.identity.passkeys
    begun = await service.begin_registration(someone.viewer)
    answer = json.dumps(used.create(json.loads(begun.options))).encode()
    await service.register(someone.viewer, someone.actor, begun.cookie, answer, name)


async def signed_in(
    desk: Desk, used: Authenticator, change: Callable[[dict[str, Any]], Any] = lambda one: None
) -> Someone:
    begun = desk.identity.passkeys.begin_sign_in()
    credential = used.sign(json.loads(begun.options))
    change(credential)
    answer = json.dumps(credential).encode()
    return await desk.of(await desk.identity.passkeys.sign_in(begun.cookie, answer, OFFICE))


async def test_created_passkey_signs_its_person_in(
    desk: Desk, owner: Someone, firm: Account
) -> None:
    used = device()
    await registered(desk, owner, used, "  Office\n PC ")
    for _ in range(2):
        assert (await signed_in(desk, used)).viewer.person_id == owner.viewer.person_id
    entries = await desk.entries(firm.id)
    assert entries[0].details["method"] == "passkey"
    created = next(entry for entry in entries if entry.action == "passkey.created")
    assert created.subject == "Office PC"


async def test_options_ask_for_a_verified_user_and_leave_out_known_devices(
    desk: Desk, owner: Someone
) -> None:
    used = device()
    await registered(desk, owner, used)
    options = json.loads((await desk.identity.passkeys.begin_registration(owner.viewer)).options)
    assert options["authenticatorSelection"]["userVerification"] == "required"
    assert options["authenticatorSelection"]["residentKey"] == "required"
    assert [decoded(one["id"]) for one in options["excludeCredentials"]] == [used.credential_id]
    assert decoded(options["user"]["id"]) == owner.viewer.person_id.bytes
    assert options["rp"]["id"] == HOST


async def test_passkey_needs_no_further_code(desk: Desk, owner: Someone) -> None:
    used = device()
    await registered(desk, owner, used)
    await desk.enrolled(owner)
    assert (await signed_in(desk, used)).viewer.person_id == owner.viewer.person_id


@pytest.mark.parametrize(
    "broken",
    [
        {"origin": "https://evil.example"},
        {"host": "evil.example"},
        {"flags": 0x01},  # present, but neither fingerprint nor PIN
        {"flags": 0x04},
    ],
    ids=str,
)
async def test_answer_of_a_phishing_page_or_without_verification_is_refused(
    desk: Desk, owner: Someone, broken: dict[str, Any]
) -> None:
    used = device()
    await registered(desk, owner, used)
    for name, value in broken.items():
        setattr(used, name, value)
    with pytest.raises(PasskeyRefused):
        await signed_in(desk, used)
    with pytest.raises(PasskeyRefused):
        await registered(desk, owner, used)


async def test_answer_signed_with_another_key_is_refused(desk: Desk, owner: Someone) -> None:
    used, other = device(), device()
    await registered(desk, owner, used)
    other.credential_id = used.credential_id
    with pytest.raises(PasskeyRefused):
        await signed_in(desk, other)


async def test_unknown_passkey_is_refused(desk: Desk, owner: Someone) -> None:
    with pytest.raises(PasskeyRefused, match="not known"):
        await signed_in(desk, device())


@pytest.mark.parametrize("answer", [b"", b"{}", b"\xff", b'{"id": "!"}', b'{"id": "YQ"}', b"[]"])
async def test_malformed_answer_is_refused(desk: Desk, owner: Someone, answer: bytes) -> None:
    service = desk.identity.passkeys
    begun = service.begin_sign_in()
    with pytest.raises(PasskeyRefused):
        await service.sign_in(begun.cookie, answer, OFFICE)
    begun = await service.begin_registration(owner.viewer)
    with pytest.raises(PasskeyRefused):
        await service.register(owner.viewer, owner.actor, begun.cookie, answer, "")


async def test_answer_is_accepted_once(desk: Desk, owner: Someone) -> None:
    used, service = device(), desk.identity.passkeys
    await registered(desk, owner, used)
    begun = service.begin_sign_in()
    answer = json.dumps(used.sign(json.loads(begun.options))).encode()
    await service.sign_in(begun.cookie, answer, OFFICE)
    with pytest.raises(PasskeyRefused, match="used already"):
        await service.sign_in(begun.cookie, answer, OFFICE)


async def test_copied_device_whose_count_falls_back_is_refused(desk: Desk, owner: Someone) -> None:
    used = device()
    await registered(desk, owner, used)
    await signed_in(desk, used)
    used.count = 0
    with pytest.raises(PasskeyRefused):
        await signed_in(desk, used)


class TestCookie:
    @pytest.mark.parametrize("cookie", [None, "", "bm90IHNlYWxlZA==", "x"])
    async def test_answer_without_its_cookie_is_refused(
        self, desk: Desk, owner: Someone, cookie: str | None
    ) -> None:
        with pytest.raises(PasskeyRefused, match="not begun"):
            await desk.identity.passkeys.sign_in(cookie, b"{}", OFFICE)

    async def test_step_ends_after_five_minutes(self, desk: Desk, owner: Someone) -> None:
        begun = desk.identity.passkeys.begin_sign_in()
        desk.clock.pass_(seconds=301)
        with pytest.raises(PasskeyRefused, match="too long"):
            await desk.identity.passkeys.sign_in(begun.cookie, b"{}", OFFICE)

    async def test_cookie_of_creation_does_not_sign_in(self, desk: Desk, owner: Someone) -> None:
        begun = await desk.identity.passkeys.begin_registration(owner.viewer)
        with pytest.raises(PasskeyRefused, match="another step"):
            await desk.identity.passkeys.sign_in(begun.cookie, b"{}", OFFICE)

    async def test_creation_begun_by_another_person_is_refused(
        self, desk: Desk, owner: Someone, firm: Account
    ) -> None:
        other = await desk.someone(firm.id, "wang@acme.example")
        begun = await desk.identity.passkeys.begin_registration(other.viewer)
        answer = json.dumps(device().create(json.loads(begun.options))).encode()
        with pytest.raises(PasskeyRefused, match="another person"):
            await desk.identity.passkeys.register(
                owner.viewer, owner.actor, begun.cookie, answer, ""
            )


async def test_credential_is_stored_for_one_person_only(
    desk: Desk, owner: Someone, firm: Account
) -> None:
    used, other = device(), await desk.someone(firm.id, "wang@acme.example")
    await registered(desk, owner, used)
    with pytest.raises(PasskeyRefused, match="exists already"):
        await registered(desk, other, used)


async def test_removed_passkey_no_longer_signs_in(
    desk: Desk, owner: Someone, firm: Account
) -> None:
    used, other = device(), await desk.someone(firm.id, "wang@acme.example")
    await registered(desk, owner, used)
    async with desk.database.transaction() as session:
        key = used.credential_id
        assert not await remove_passkey(session, desk.clock, other.viewer, other.actor, key)
        assert await remove_passkey(session, desk.clock, owner.viewer, owner.actor, key)
        assert await list_passkeys(session, owner.viewer) == []
    with pytest.raises(PasskeyRefused):
        await signed_in(desk, used)


async def test_person_has_at_most_twenty_passkeys(desk: Desk, owner: Someone) -> None:
    for _ in range(20):
        await registered(desk, owner, device())
    with pytest.raises(TooManyPasskeys):
        await desk.identity.passkeys.begin_registration(owner.viewer)


@pytest.mark.parametrize(
    ("base_url", "origin"),
    [
        ("https://maas.example", "https://maas.example"),
        ("https://maas.example:8443/", "https://maas.example:8443"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://maas.example", None),
        ("http://127.0.0.1:8080", None),
        ("https://10.0.0.7", None),
        ("https://[::1]:8443", None),
        ("https://intranet", None),
        ("", None),
    ],
)
def test_passkeys_need_a_host_name_and_https(base_url: str, origin: str | None) -> None:
    party = RelyingParty.from_base_url(base_url)
    assert (party and party.origin) == origin


async def test_without_a_host_name_passkeys_are_not_offered(desk: Desk, owner: Someone) -> None:
    links = Links("http://127.0.0.1:8080")
    service = build_identity(desk.database, desk.clock, b"s" * 32, links, QUICK).passkeys
    assert not service.available
    with pytest.raises(PasskeysUnavailable):
        service.begin_sign_in()
