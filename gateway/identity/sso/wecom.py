"""WeCom (企业微信) web login: a member of one company signs in by scanning a code.

Source: developer.work.weixin.qq.com, "企业微信 Web 登录" and "获取用户登录身份".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from gateway.identity.sso.http import ProviderHttp
from gateway.identity.sso.provider import (
    ExternalIdentity,
    IdentityNotVerified,
    IdentityProvider,
    ProviderUnavailable,
    SignInAttempt,
    authorization_code,
)
from infra.clock import Clock

PAGE_BASE = "https://login.work.weixin.qq.com"
API_BASE = "https://qyapi.weixin.qq.com"
# Codes of an access token that is expired or was replaced by another process.
_TOKEN_ERRORS = frozenset({40014, 42001, 40001})
_EXPIRY_MARGIN = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class WecomClient:
    """A self-built application of a company in WeCom."""

    corp_id: str
    agent_id: str
    secret: str
    page_base: str = PAGE_BASE
    api_base: str = API_BASE


class WecomProvider(IdentityProvider):
    """Sign-in by WeCom, with the application's access token in memory."""

    def __init__(self, client: WecomClient, http: ProviderHttp, clock: Clock) -> None:
        self._client = client
        self._http = http
        self._clock = clock
        self._token: tuple[str, datetime] | None = None

    async def authorization_url(self, attempt: SignInAttempt) -> str:
        """Return the page with the QR code."""
        query = {
            "login_type": "CorpApp",
            "appid": self._client.corp_id,
            "agentid": self._client.agent_id,
            "redirect_uri": attempt.redirect_uri,
            "state": attempt.state,
        }
        return f"{self._client.page_base}/wwlogin/sso/login?{urlencode(query)}"

    async def identify(
        self, attempt: SignInAttempt, parameters: Mapping[str, str]
    ) -> ExternalIdentity:
        """Return the member who scanned the code. People outside of the company are refused."""
        code = authorization_code(parameters)
        answer = await self._user_of(code, await self._access_token())
        if answer.get("errcode") in _TOKEN_ERRORS:
            self._token = None
            answer = await self._user_of(code, await self._access_token())
        user_id = answer.get("userid")
        if answer.get("errcode") != 0 or not isinstance(user_id, str) or not user_id:
            raise IdentityNotVerified("WeCom does not confirm a member of the company.")
        return ExternalIdentity(f"{self._client.corp_id}:{user_id}", user_id)

    async def _user_of(self, code: str, token: str) -> dict[str, Any]:
        """Ask who an authorization code belongs to."""
        query = {"access_token": token, "code": code}
        return await self._http.get(
            f"{self._client.api_base}/cgi-bin/auth/getuserinfo", params=query
        )

    async def _access_token(self) -> str:
        """Return the application's access token; it is valid for two hours."""
        now = self._clock.now()
        if self._token is not None and now < self._token[1]:
            return self._token[0]
        query = {"corpid": self._client.corp_id, "corpsecret": self._client.secret}
        answer = await self._http.get(f"{self._client.api_base}/cgi-bin/gettoken", params=query)
        token, seconds = answer.get("access_token"), answer.get("expires_in")
        if not isinstance(token, str) or not isinstance(seconds, int):
            raise ProviderUnavailable(
                f"WeCom refuses the application's secret (errcode {answer.get('errcode')})."
            )
        self._token = token, now + timedelta(seconds=seconds) - _EXPIRY_MARGIN
        return token
