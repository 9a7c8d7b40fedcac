"""OpenID Connect: what an ID token must prove, rotated keys, and issuers that misbehave."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from gateway.identity.sso.http import ProviderHttp
from gateway.identity.sso.oidc import OidcClient, OidcProvider
from gateway.identity.sso.provider import (
    ExternalIdentity,
    IdentityNotVerified,
    ProviderUnavailable,
    SignInAttempt,
)
from tests.support.clocks import ShiftedClock
from tests.support.fakes.identity_providers import (
    CLIENT,
    SECRET,
    FakeProviders,
    elliptic_key,
    run_fake_providers,
)

ATTEMPT = SignInAttempt("state", "nonce-1", "verifier", "https://maas.example/return")


@pytest.fixture
async def fake(network: None) -> AsyncIterator[FakeProviders]:
    async with run_fake_providers() as fake:
        yield fake


@pytest.fixture
def clock() -> ShiftedClock:
    return ShiftedClock()


@pytest.fixture
def provider(fake: FakeProviders, clock: ShiftedClock) -> OidcProvider:
    return OidcProvider(OidcClient(fake.url, CLIENT, SECRET), ProviderHttp(), clock)


async def signed_in(
    provider: OidcProvider, fake: FakeProviders, nonce: str = ATTEMPT.nonce, **more: str
) -> ExternalIdentity:
    """The identity after the person signed in at the issuer."""
    query = parse_qs(urlsplit(await provider.authorization_url(ATTEMPT)).query)
    fake.codes["code-1"] = nonce, query["code_challenge"][0]
    return await provider.identify(ATTEMPT, {"code": "code-1", "state": "state"} | more)


async def test_authorization_page_is_asked_for_a_code_with_pkce(
    provider: OidcProvider, fake: FakeProviders
) -> None:
    fake.discovery = {"authorization_endpoint": f"{fake.url}/authorize?tenant=1"}
    url = urlsplit(await provider.authorization_url(ATTEMPT))
    query = {name: values[0] for name, values in parse_qs(url.query).items()}
    assert (url.path, query["tenant"]) == ("/authorize", "1")
    assert query["code_challenge_method"] == "S256"
    assert (query["state"], query["nonce"]) == ("state", "nonce-1")
    assert query["redirect_uri"] == ATTEMPT.redirect_uri


async def test_identity_is_of_the_verified_token(
    provider: OidcProvider, fake: FakeProviders
) -> None:
    assert await signed_in(provider, fake) == ExternalIdentity(
        "wang-1", "王磊", "Wang@Acme.example"
    )


async def test_secret_is_posted_to_issuers_that_support_nothing_else(
    provider: OidcProvider, fake: FakeProviders
) -> None:
    fake.discovery = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    assert (await signed_in(provider, fake)).subject == "wang-1"


@pytest.mark.parametrize("verified", ["true", "false", 1, None, False])
async def test_address_counts_only_if_verified_is_the_boolean_true(
    provider: OidcProvider, fake: FakeProviders, verified: Any
) -> None:
    fake.claims = {"email_verified": verified}
    assert (await signed_in(provider, fake)).verified_email is None


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://other.example"},
        {"aud": "another-client"},
        {"aud": [CLIENT, "other"], "azp": "other"},
        {"exp": 1_700_000_000},
        {"exp": None},
        {"iat": 4_000_000_000},
        {"nonce": "of another attempt"},
        {"nonce": None},
        {"sub": None},
        {"sub": ""},
        {"sub": "x" * 256},
        {"sub": 7},
    ],
    ids=str,
)
async def test_token_with_a_wrong_claim_is_refused(
    provider: OidcProvider, fake: FakeProviders, claims: dict[str, Any]
) -> None:
    fake.claims = claims
    with pytest.raises(IdentityNotVerified):
        await signed_in(provider, fake)


async def test_token_signed_with_an_unpublished_key_is_refused(
    provider: OidcProvider, fake: FakeProviders
) -> None:
    fake.published = [elliptic_key("other")]
    with pytest.raises(IdentityNotVerified):
        await signed_in(provider, fake)


@pytest.mark.parametrize(
    "token",
    [
        "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ3YW5nLTEifQ.",  # {"alg": "none"}
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ3YW5nLTEifQ.c2ln",  # {"alg": "HS256"}
        "not a token",
        "",
    ],
)
async def test_unsigned_or_malformed_token_is_refused(
    provider: OidcProvider, fake: FakeProviders, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setattr(fake, "id_token", lambda nonce: token)
    with pytest.raises(IdentityNotVerified):
        await signed_in(provider, fake)


async def test_rotated_key_is_read_once_and_invented_ones_not_each_time(
    provider: OidcProvider, fake: FakeProviders, clock: ShiftedClock
) -> None:
    await signed_in(provider, fake)
    fake.rotate("k2")
    with pytest.raises(IdentityNotVerified):
        await signed_in(provider, fake)  # keys were read a moment ago
    clock.to(clock.now() + timedelta(seconds=31))
    assert (await signed_in(provider, fake)).subject == "wang-1"
    assert fake.received.count("/keys") == 2


async def test_code_is_sent_once_and_refused_the_second_time(
    provider: OidcProvider, fake: FakeProviders
) -> None:
    await signed_in(provider, fake)
    with pytest.raises(IdentityNotVerified):
        await provider.identify(ATTEMPT, {"code": "code-1"})


@pytest.mark.parametrize("parameters", [{}, {"error": "access_denied"}, {"code": "x" * 5000}])
async def test_return_without_a_code_is_refused(
    provider: OidcProvider, parameters: dict[str, str]
) -> None:
    with pytest.raises(IdentityNotVerified, match="cancelled or refused"):
        await provider.identify(ATTEMPT, parameters)


async def test_answer_of_another_issuer_is_not_exchanged(
    provider: OidcProvider, fake: FakeProviders
) -> None:
    with pytest.raises(IdentityNotVerified, match="another issuer"):
        await signed_in(provider, fake, iss="https://evil.example")
    assert "/token" not in fake.received


@pytest.mark.parametrize(
    "discovery",
    [
        {"issuer": "https://other.example"},
        {"jwks_uri": None},
        {"token_endpoint": "ftp://other.example"},
    ],
    ids=str,
)
async def test_unusable_discovery_document_is_reported(
    provider: OidcProvider, fake: FakeProviders, discovery: dict[str, Any]
) -> None:
    fake.discovery = discovery
    with pytest.raises(ProviderUnavailable):
        await provider.authorization_url(ATTEMPT)


async def test_unusable_keys_are_reported(provider: OidcProvider, fake: FakeProviders) -> None:
    fake.discovery = {"jwks_uri": f"{fake.url}/.well-known/openid-configuration"}
    with pytest.raises(ProviderUnavailable, match="keys"):
        await signed_in(provider, fake)


@pytest.mark.parametrize("status", [500, 503])
async def test_failing_issuer_is_reported(
    provider: OidcProvider, fake: FakeProviders, status: int
) -> None:
    fake.status = status
    with pytest.raises(ProviderUnavailable, match=f"status {status}"):
        await provider.authorization_url(ATTEMPT)


async def test_discovery_is_read_again_after_an_hour(
    provider: OidcProvider, fake: FakeProviders, clock: ShiftedClock
) -> None:
    for _ in range(2):
        await provider.authorization_url(ATTEMPT)
    clock.to(clock.now() + timedelta(hours=1))
    await provider.authorization_url(ATTEMPT)
    assert len(fake.received) == 2
