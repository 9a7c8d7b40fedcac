"""DingTalk (钉钉) login by OAuth 2.0, for members of one organization.

Source: open.dingtalk.com, "获取登录用户的访问凭证" and "获取用户通讯录个人信息".
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

PAGE_BASE = "https://login.dingtalk.com"
API_BASE = "https://api.dingtalk.com"


@dataclass(frozen=True, slots=True)
class DingtalkClient:
    """An application of an organization in DingTalk."""

    client_id: str
    client_secret: str
    corp_id: str
    page_base: str = PAGE_BASE
    api_base: str = API_BASE


class DingtalkProvider(IdentityProvider):
    """Sign-in by DingTalk."""

    def __init__(self, client: DingtalkClient, http: ProviderHttp) -> None:
        self._client = client
        self._http = http

    async def authorization_url(self, attempt: SignInAttempt) -> str:
        """Return DingTalk's login page, restricted to the organization."""
        query = {
            "response_type": "code",
            "client_id": self._client.client_id,
            "redirect_uri": attempt.redirect_uri,
            "scope": "openid corpid",
            "state": attempt.state,
            "prompt": "consent",
            "corpId": self._client.corp_id,
        }
        return f"{self._client.page_base}/oauth2/auth?{urlencode(query)}"

    async def identify(
        self, attempt: SignInAttempt, parameters: Mapping[str, str]
    ) -> ExternalIdentity:
        """Return the person who signed in; it must have chosen the configured organization."""
        token = await self._http.post(
            f"{self._client.api_base}/v1.0/oauth2/userAccessToken",
            json={
                "clientId": self._client.client_id,
                "clientSecret": self._client.client_secret,
                "code": authorization_code(parameters, "authCode"),
                "grantType": "authorization_code",
            },
        )
        access_token = token.get("accessToken")
        if token.get("corpId") != self._client.corp_id or not isinstance(access_token, str):
            raise IdentityNotVerified("DingTalk does not confirm a member of the organization.")
        me = await self._http.get(
            f"{self._client.api_base}/v1.0/contact/users/me",
            headers={"x-acs-dingtalk-access-token": access_token},
        )
        union_id, name = me.get("unionId"), me.get("nick")
        if not isinstance(union_id, str) or not union_id:
            raise IdentityNotVerified("DingTalk does not say who signed in.")
        return ExternalIdentity(union_id, name if isinstance(name, str) else "")
