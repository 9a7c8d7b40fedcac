"""WeCom, DingTalk and Feishu: members of the configured company only."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from gateway.identity.sso.dingtalk import DingtalkClient, DingtalkProvider
from gateway.identity.sso.feishu import FeishuClient, FeishuProvider
from gateway.identity.sso.http import ProviderHttp
from gateway.identity.sso.provider import (
    ExternalIdentity,
    IdentityNotVerified,
    IdentityProvider,
    ProviderUnavailable,
    SignInAttempt,
)
from gateway.identity.sso.wecom import WecomClient, WecomProvider
from tests.support.clocks import ShiftedClock
from tests.support.fakes.identity_providers import (
    CLIENT,
    CORP,
    SECRET,
    FakeProviders,
    run_fake_providers,
)

ATTEMPT = SignInAttempt("state", "nonce", "verifier", "https://maas.example/return")
KINDS = ("wecom", "dingtalk", "feishu")
GOOD = {"code": "good", "authCode": "good", "state": "state"}


@pytest.fixture
async def fake(network: None) -> AsyncIterator[FakeProviders]:
    async with run_fake_providers() as fake:
        yield fake


@pytest.fixture
def clock() -> ShiftedClock:
    return ShiftedClock()


def build(
    kind: str, fake: FakeProviders, clock: ShiftedClock, secret: str = SECRET
) -> IdentityProvider:
    http, url = ProviderHttp(), fake.url
    if kind == "wecom":
        client = WecomClient(CORP, "1000002", secret, page_base=url, api_base=url)
        return WecomProvider(client, http, clock)
    if kind == "dingtalk":
        ding = DingtalkClient(CLIENT, secret, CORP, page_base=url, api_base=url)
        return DingtalkProvider(ding, http)
    return FeishuProvider(FeishuClient(CLIENT, secret, CORP, page_base=url, api_base=url), http)


@pytest.mark.parametrize(
    ("kind", "identity"),
    [
        ("wecom", ExternalIdentity(f"{CORP}:wang", "wang")),
        ("dingtalk", ExternalIdentity("u-1", "王磊")),
        ("feishu", ExternalIdentity("ou-1", "王磊")),
    ],
)
async def test_member_is_identified_without_an_address(
    fake: FakeProviders, clock: ShiftedClock, kind: str, identity: ExternalIdentity
) -> None:
    assert await build(kind, fake, clock).identify(ATTEMPT, GOOD) == identity


@pytest.mark.parametrize(
    ("kind", "path", "names"),
    [
        ("wecom", "/wwlogin/sso/login", {"appid": CORP, "agentid": "1000002"}),
        ("dingtalk", "/oauth2/auth", {"client_id": CLIENT, "corpId": CORP, "prompt": "consent"}),
        ("feishu", "/open-apis/authen/v1/authorize", {"client_id": CLIENT}),
    ],
)
async def test_browser_is_sent_to_the_documented_page(
    fake: FakeProviders, clock: ShiftedClock, kind: str, path: str, names: dict[str, str]
) -> None:
    url = urlsplit(await build(kind, fake, clock).authorization_url(ATTEMPT))
    query = {name: values[0] for name, values in parse_qs(url.query).items()}
    assert url.path == path
    assert query.items() >= names.items()
    assert (query["state"], query["redirect_uri"]) == ("state", ATTEMPT.redirect_uri)


@pytest.mark.parametrize("kind", KINDS)
async def test_used_or_invented_code_is_refused(
    fake: FakeProviders, clock: ShiftedClock, kind: str
) -> None:
    bad = dict.fromkeys(("code", "authCode"), "bad")
    with pytest.raises(IdentityNotVerified):
        await build(kind, fake, clock).identify(ATTEMPT, bad)


@pytest.mark.parametrize("kind", KINDS)
async def test_cancelled_sign_in_is_refused(
    fake: FakeProviders, clock: ShiftedClock, kind: str
) -> None:
    with pytest.raises(IdentityNotVerified):
        await build(kind, fake, clock).identify(ATTEMPT, {"state": "state"})


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("wecom", {"member": {"errcode": 0, "openid": "outsider"}}),
        ("wecom", {"member": {"errcode": 0, "userid": 5}}),
        ("dingtalk", {"corp": "another"}),
        ("dingtalk", {"claims": {"unionId": ""}}),
        ("feishu", {"corp": "another"}),
        ("feishu", {"claims": {"open_id": None}}),
    ],
    ids=str,
)
async def test_person_outside_of_the_company_is_refused(
    fake: FakeProviders, clock: ShiftedClock, kind: str, change: dict[str, Any]
) -> None:
    for name, value in change.items():
        setattr(fake, name, value)
    with pytest.raises(IdentityNotVerified):
        await build(kind, fake, clock).identify(ATTEMPT, GOOD)


class TestWecomAccessToken:
    async def test_token_is_kept_until_it_expires(
        self, fake: FakeProviders, clock: ShiftedClock
    ) -> None:
        provider = build("wecom", fake, clock)
        for _ in range(2):
            await provider.identify(ATTEMPT, GOOD)
        assert fake.received.count("/cgi-bin/gettoken") == 1
        clock.to(clock.now() + timedelta(hours=2))
        await provider.identify(ATTEMPT, GOOD)
        assert fake.received.count("/cgi-bin/gettoken") == 2

    async def test_token_replaced_by_another_process_is_fetched_again(
        self, fake: FakeProviders, clock: ShiftedClock
    ) -> None:
        provider = build("wecom", fake, clock)
        await provider.identify(ATTEMPT, GOOD)
        fake.expired_tokens = {"token-0"}
        assert (await provider.identify(ATTEMPT, GOOD)).name == "wang"

    async def test_wrong_secret_is_reported_with_the_code(
        self, fake: FakeProviders, clock: ShiftedClock
    ) -> None:
        with pytest.raises(ProviderUnavailable, match="errcode 40001"):
            await build("wecom", fake, clock, secret="wrong").identify(ATTEMPT, GOOD)
