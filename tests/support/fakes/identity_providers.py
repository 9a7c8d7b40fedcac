"""Fake identity providers on a real socket: an OpenID Connect issuer with real signatures, WeCom,
DingTalk and Feishu with the answers of their documentation.
"""

import time
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from typing import Any

from aiohttp import web
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey
from joserfc.util import urlsafe_b64encode

from tests.support.fakes.listening import listening

CLIENT, SECRET, CORP = "maas", "s3cret", "corp-1"


@cache
def rsa_key(kid: str, use: str = "sig") -> RSAKey:
    """A key of this id, made once: to make one takes a tenth of a second."""
    return RSAKey.generate_key(2048, {"kid": kid, "use": use})


@dataclass
class FakeProviders:
    """What the providers say; tests change it.

    `claims` are added to the ID token or replace its own; a value of None removes one. `codes` are
    the authorization codes that are valid once, with the nonce and the challenge of their attempt.
    """

    url: str = ""
    key: RSAKey = field(default_factory=lambda: rsa_key("k1"))
    published: list[Any] | None = None
    claims: dict[str, Any] = field(default_factory=dict)
    codes: dict[str, tuple[str, str]] = field(default_factory=dict)
    algorithm: str = "RS256"
    member: dict[str, Any] = field(default_factory=lambda: {"errcode": 0, "userid": "wang"})
    corp: str = CORP
    received: list[str] = field(default_factory=list)
    status: int = 200
    discovery: dict[str, Any] = field(default_factory=dict)
    expired_tokens: set[str] = field(default_factory=set)

    def rotate(self, kid: str) -> None:
        """Sign with another key from now on, and publish only this one."""
        self.key = rsa_key(kid)

    def keys(self) -> dict[str, Any]:
        published = [self.key] if self.published is None else self.published
        encrypting = rsa_key("enc", use="enc")
        return {
            "keys": [
                *(key.as_dict(private=False) for key in published),
                encrypting.as_dict(private=False),
            ]
        }

    def id_token(self, nonce: str) -> str:
        now = int(time.time())
        claims = {
            "iss": self.url,
            "aud": CLIENT,
            "sub": "wang-1",
            "nonce": nonce,
            "iat": now,
            "exp": now + 300,
            "name": "王磊",
            "email": "Wang@Acme.example",
            "email_verified": True,
        } | self.claims
        header = {"alg": self.algorithm, "kid": self.key.kid}
        said = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(header, said, self.key, algorithms=[self.algorithm])


def elliptic_key(kid: str) -> ECKey:
    """A key of another kind, as issuers publish several."""
    return ECKey.generate_key("P-256", {"kid": kid})


@asynccontextmanager
async def run_fake_providers() -> AsyncIterator[FakeProviders]:
    """Serve until the block ends."""
    fake = FakeProviders()
    app = web.Application(middlewares=[_recorded(fake)])
    _add_oidc(app, fake)
    _add_wecom(app, fake)
    _add_dingtalk(app, fake)
    _add_feishu(app, fake)
    async with listening(app) as url:
        fake.url = url
        yield fake


def _recorded(fake: FakeProviders) -> Any:
    @web.middleware
    async def record(request: web.Request, handler: Any) -> web.StreamResponse:
        fake.received.append(request.path)
        if fake.status != 200:
            return web.json_response({"error": "server_error"}, status=fake.status)
        response: web.StreamResponse = await handler(request)
        return response

    return record


def _add_oidc(app: web.Application, fake: FakeProviders) -> None:
    async def discovery(request: web.Request) -> web.Response:
        document = {
            "issuer": fake.url,
            "authorization_endpoint": f"{fake.url}/authorize",
            "token_endpoint": f"{fake.url}/token",
            "jwks_uri": f"{fake.url}/keys",
        }
        return web.json_response(document | fake.discovery)

    async def token(request: web.Request) -> web.Response:
        form = await request.post()
        kind, _, credentials = request.headers.get("authorization", "").partition(" ")
        is_basic = kind == "Basic" and b64decode(credentials).decode() == f"{CLIENT}:{SECRET}"
        is_posted = form.get("client_id") == CLIENT and form.get("client_secret") == SECRET
        nonce, challenge = fake.codes.pop(str(form.get("code")), ("", ""))
        digest = sha256(str(form.get("code_verifier")).encode()).digest()
        is_proved = urlsafe_b64encode(digest).decode() == challenge
        if not (is_basic or is_posted) or not is_proved:
            return web.json_response({"error": "invalid_grant"}, status=400)
        answer = {"access_token": "a", "token_type": "Bearer", "id_token": fake.id_token(nonce)}
        return web.json_response(answer)

    async def keys(request: web.Request) -> web.Response:
        return web.json_response(fake.keys())

    app.router.add_get("/.well-known/openid-configuration", discovery)
    app.router.add_post("/token", token)
    app.router.add_get("/keys", keys)


def _add_wecom(app: web.Application, fake: FakeProviders) -> None:
    issued: list[str] = []

    async def gettoken(request: web.Request) -> web.Response:
        if request.query.get("corpsecret") != SECRET or request.query.get("corpid") != CORP:
            return web.json_response({"errcode": 40001, "errmsg": "invalid credential"})
        issued.append(f"token-{len(issued)}")
        return web.json_response(
            {"errcode": 0, "errmsg": "ok", "access_token": issued[-1], "expires_in": 7200}
        )

    async def getuserinfo(request: web.Request) -> web.Response:
        token = request.query.get("access_token", "")
        if token not in issued or token in fake.expired_tokens:
            return web.json_response({"errcode": 42001, "errmsg": "access_token expired"})
        if request.query.get("code") != "good":
            return web.json_response({"errcode": 40029, "errmsg": "invalid code"})
        return web.json_response(fake.member)

    app.router.add_get("/cgi-bin/gettoken", gettoken)
    app.router.add_get("/cgi-bin/auth/getuserinfo", getuserinfo)


def _add_dingtalk(app: web.Application, fake: FakeProviders) -> None:
    async def user_token(request: web.Request) -> web.Response:
        body = await request.json()
        expected = {"clientId": CLIENT, "clientSecret": SECRET, "code": "good"}
        if body != expected | {"grantType": "authorization_code"}:
            return web.json_response({"code": "invalidParameter.authCode.notFound"}, status=400)
        return web.json_response(
            {"accessToken": "ding-token", "expireIn": 7200, "corpId": fake.corp}
        )

    async def me(request: web.Request) -> web.Response:
        if request.headers.get("x-acs-dingtalk-access-token") != "ding-token":
            return web.json_response({"code": "InvalidAuthentication"}, status=401)
        return web.json_response({"nick": "王磊", "unionId": "u-1", "openId": "o-1"} | fake.claims)

    app.router.add_post("/v1.0/oauth2/userAccessToken", user_token)
    app.router.add_get("/v1.0/contact/users/me", me)


def _add_feishu(app: web.Application, fake: FakeProviders) -> None:
    async def token(request: web.Request) -> web.Response:
        body = await request.json()
        known = body.get("client_id") == CLIENT and body.get("client_secret") == SECRET
        if not known or body.get("code") != "good" or not body.get("redirect_uri"):
            return web.json_response({"code": 20003, "error": "invalid_grant"}, status=400)
        return web.json_response({"code": 0, "access_token": "fei-token", "expires_in": 7200})

    async def user_info(request: web.Request) -> web.Response:
        if request.headers.get("authorization") != "Bearer fei-token":
            return web.json_response({"code": 20005, "msg": "invalid access token"}, status=401)
        data = {"name": "王磊", "open_id": "ou-1", "tenant_key": fake.corp} | fake.claims
        return web.json_response({"code": 0, "msg": "success", "data": data})

    app.router.add_post("/open-apis/authen/v2/oauth/token", token)
    app.router.add_get("/open-apis/authen/v1/user_info", user_info)
