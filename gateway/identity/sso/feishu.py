"""Feishu (飞书) login by OAuth 2.0, for members of one company.

Source: open.feishu.cn, "获取授权码", "获取 user_access_token" and "获取用户信息".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from gateway.identity.sso.http import ProviderHttp
from gateway.identity.sso.provider import (
    ExternalIdentity,
    IdentityNotVerified,
    IdentityProvider,
    SignInAttempt,
    authorization_code,
)

PAGE_BASE = "https://accounts.feishu.cn"
API_BASE = "https://open.feishu.cn"


@dataclass(frozen=True, slots=True)
class FeishuClient:
    """An application of a company (`tenant_key`) in Feishu."""

    app_id: str
    app_secret: str
    tenant_key: str
    page_base: str = PAGE_BASE
    api_base: str = API_BASE


class FeishuProvider(IdentityProvider):
    """Sign-in by Feishu."""

    def __init__(self, client: FeishuClient, http: ProviderHttp) -> None:
        self._client = client
        self._http = http

    async def authorization_url(self, attempt: SignInAttempt) -> str:
        """Return Feishu's authorization page."""
        query = {
            "response_type": "code",
            "client_id": self._client.app_id,
            "redirect_uri": attempt.redirect_uri,
            "state": attempt.state,
        }
        return f"{self._client.page_base}/open-apis/authen/v1/authorize?{urlencode(query)}"

    async def identify(
        self, attempt: SignInAttempt, parameters: Mapping[str, str]
    ) -> ExternalIdentity:
        """Return the person who signed in; it must belong to the configured company."""
        token = await self._http.post(
            f"{self._client.api_base}/open-apis/authen/v2/oauth/token",
            json={
                "grant_type": "authorization_code",
                "client_id": self._client.app_id,
                "client_secret": self._client.app_secret,
                "code": authorization_code(parameters),
                "redirect_uri": attempt.redirect_uri,
            },
        )
        access_token = token.get("access_token")
        if not isinstance(access_token, str) or not access_token:
            raise IdentityNotVerified("Feishu refused the authorization code.")
        answer = await self._http.get(
            f"{self._client.api_base}/open-apis/authen/v1/user_info",
            headers={"authorization": f"Bearer {access_token}"},
        )
        data = answer.get("data")
        if not isinstance(data, dict) or data.get("tenant_key") != self._client.tenant_key:
            raise IdentityNotVerified("Feishu does not confirm a member of the company.")
        open_id, name = data.get("open_id"), data.get("name")
        if not isinstance(open_id, str) or not open_id:
            raise IdentityNotVerified("Feishu does not say who signed in.")
        return ExternalIdentity(open_id, name if isinstance(name, str) else "")
