"""Sign-in with an identity provider, in a browser without scripts: sign in, link and remove."""

import html
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from gateway.identity.roles import Role
from tests.support.builders import Gateway, run_gateway, settings
from tests.support.dashboard.looking import Looker, client, looker, words
from tests.support.fakes.identity_providers import SECRET, FakeProviders, run_fake_providers

PROVIDERS = """
[[provider]]
id = "works"
kind = "oidc"
names = {{ en = "Works account", zh = "厂内账号" }}
issuer = "{url}"
client_id = "maas"
secret = "works_login"
"""


@dataclass
class Place:
    """A gateway with an issuer, a person with a session, and a browser without one."""

    gateway: Gateway
    fake: FakeProviders
    person: Looker
    browser: httpx.AsyncClient

    async def answered(self, url: str, browser: httpx.AsyncClient) -> httpx.Response:
        """Sign in at the issuer's page, and come back with the browser."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        self.fake.codes["code"] = query["nonce"], query["code_challenge"]
        path = urlsplit(query["redirect_uri"]).path
        return await browser.get(path, params={"code": "code", "state": query["state"]})

    async def link(self) -> httpx.Response:
        page = await self.person.send("/dashboard/me/identities/works/link")
        (url,) = re.findall(r'href="(http[^"]+/authorize[^"]+)"', page.text)
        answer = await self.answered(html.unescape(url), self.person.http)
        return await self.person.http.get(answer.headers["location"])

    async def sign_in(self) -> httpx.Response:
        begun = await self.browser.get("/dashboard/sign-in/with/works?next=/dashboard/usage")
        assert begun.status_code == 303
        return await self.answered(begun.headers["location"], self.browser)


@pytest.fixture
async def place(database_url: str, tmp_path: Path) -> AsyncIterator[Place]:
    (tmp_path / "maas_secret_works_login").write_text(SECRET)
    async with run_fake_providers() as fake:
        file = tmp_path / "providers.toml"
        file.write_text(PROVIDERS.format(url=fake.url), "utf-8")
        configured = settings(
            database_url,
            tmp_path,
            "http://127.0.0.1:9",
            dashboard=True,
            login_providers=file,
            secrets_dir=tmp_path,
        )
        async with (
            run_gateway(configured) as gateway,
            looker(gateway.url, gateway.parts, gateway.account.id, Role.OWNER) as person,
            client(gateway.url) as browser,
        ):
            yield Place(gateway, fake, person, browser)


async def test_person_links_an_identity_and_signs_in_with_it(place: Place) -> None:
    assert "Sign in with Works account" in words(
        (await place.browser.get("/dashboard/sign-in")).text
    )
    answer = await place.link()
    assert answer.headers["location"] == "/dashboard/me?done=linked"
    said = words(await place.person.page("/dashboard/me?done=linked"))
    assert "You can sign in with it from now on." in said
    assert "Works account 王磊" in said
    signed_in = await place.sign_in()
    assert signed_in.headers["location"] == "/dashboard/usage"
    assert "Li Xuemei" in (await place.browser.get("/dashboard")).text
    removed = await place.person.send("/dashboard/me/identities/works/unlink")
    assert removed.headers["location"] == "/dashboard/me?done=unlinked"


async def test_unknown_identity_is_told_how_to_link_in_both_languages(place: Place) -> None:
    answer = await place.sign_in()
    assert answer.status_code == 401
    assert "Nobody here is linked to this identity." in words(answer.text)
    place.browser.headers["accept-language"] = "zh"
    assert "此身份尚未关联到任何用户" in (await place.sign_in()).text


async def test_return_without_an_attempt_opens_no_session(place: Place) -> None:
    await place.link()
    answer = await place.browser.get("/dashboard/sign-in/with/works/return?code=x&state=y")
    assert answer.status_code == 401
    assert "maas_session" not in place.browser.cookies
    unknown = await place.browser.get("/dashboard/sign-in/with/nope")
    assert unknown.status_code == 404


async def test_linking_needs_the_token_of_the_form(place: Place) -> None:
    answer = await place.person.http.post("/dashboard/me/identities/works/link", data={})
    assert answer.status_code == 403
    assert (await place.person.http.get("/dashboard/me/identities/works/link")).status_code in {
        404,
        405,
    }


@pytest.mark.parametrize(
    ("status", "claims", "done"),
    [(200, {"aud": "another"}, "not_linked"), (503, {}, "provider_unavailable")],
)
async def test_failed_linking_is_shown_on_the_profile(
    place: Place, status: int, claims: dict[str, str], done: str
) -> None:
    place.fake.status, place.fake.claims = status, claims
    if done == "provider_unavailable":
        answer = await place.person.send("/dashboard/me/identities/works/link")
    else:
        answer = await place.link()
    assert answer.headers["location"] == f"/dashboard/me?done={done}"
    assert 'role="alert"' in await place.person.page(answer.headers["location"])


async def test_provider_that_fails_is_reported_on_the_sign_in_page(place: Place) -> None:
    place.fake.status = 503
    answer = await place.browser.get("/dashboard/sign-in/with/works")
    assert answer.status_code == 502
    assert "sign in with your password" in words(answer.text)
