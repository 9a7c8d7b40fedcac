"""What protects pages: headers, the session's cookie, and that forms come from our own pages.

A form that changes anything is taken only from a page of ours (its Origin) and, of whoever is
signed in, with the session's token in it.
"""

import hmac
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal
from urllib.parse import urlsplit

from litestar import Request, Response
from litestar.datastructures import Cookie

from gateway.dashboard.errors import FormNotOurs

TOKEN_FIELD = "csrf"  # noqa: S105  # a field's name
_TOKEN_HEADER = "x-csrf-token"  # noqa: S105  # a header's name
# What a browser wishes for pages to look like.
Wish = Literal["maas_language", "maas_theme"]
_SAFE = ("GET", "HEAD", "OPTIONS")
HEADERS: Mapping[str, str] = MappingProxyType(
    {
        # Scripts and styles only as files of ours: what a tag or a name of a customer's says can
        # never run. Charts draw on a canvas, and bars are elements of HTML, so no style is inline.
        "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
        "img-src 'self' data:; font-src 'self'; connect-src 'self'; form-action 'self' "
        "https://checkout.stripe.com https://billing.stripe.com https://invoice.stripe.com; "
        "base-uri 'none'; frame-ancestors 'none'",
        "referrer-policy": "same-origin",
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "cross-origin-opener-policy": "same-origin",
        "permissions-policy": "camera=(), geolocation=(), microphone=()",
        "cache-control": "no-store",
    }
)


async def protect(response: Any) -> Any:
    """Give a page its headers; files say themselves how long they are kept, and what answers by
    itself, as the playground's calls do, sends them itself."""
    if not isinstance(response, Response):
        return response
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def require_own_origin(request: Request[Any, Any, Any]) -> None:
    """Raises FormNotOurs where a change was not sent from a page of this host.

    Browsers say the origin with every POST, and no page can say another. Proxies may end TLS, so
    the scheme is not compared.
    """
    if request.method in _SAFE:
        return
    try:
        said = urlsplit(request.headers.get("origin", "")).netloc
    except ValueError:  # as of `http://[`
        said = ""
    if not said or said != request.headers.get("host", ""):
        raise FormNotOurs("The form was sent from another page.")


async def require_token(request: Request[Any, Any, Any], token: str) -> None:
    """Raises FormNotOurs where a change does not carry the session's token, in the form or, of a
    script's own request, in a header."""
    if request.method in _SAFE:
        return
    said = await token_of(request)
    if not hmac.compare_digest(said.encode(), token.encode()):
        raise FormNotOurs("The page was open for too long.")


async def token_of(request: Request[Any, Any, Any]) -> str:
    """The token that a change carries, in the form or in a script's header; empty without one."""
    said = request.headers.get(_TOKEN_HEADER)
    return said if said is not None else str((await request.form()).get(TOKEN_FIELD, ""))


def cookie_name(secure: bool) -> str:
    """With TLS browsers hold to the prefix's rules: from this host alone, for every path."""
    return "__Host-maas" if secure else "maas_session"


def session_cookie(value: str, seconds: int, *, secure: bool) -> Cookie:
    """Scripts cannot read it, and other sites' forms do not send it."""
    return _cookie(cookie_name(secure), value, seconds, secure=secure, hidden=True)


def ended_cookie(*, secure: bool) -> Cookie:
    """Takes the session's cookie away."""
    return _cookie(cookie_name(secure), "", 0, secure=secure, hidden=True)


def wish_cookie(name: Wish, value: str, *, secure: bool) -> Cookie:
    """What a browser wishes for pages to look like, for a year; the script changes the theme."""
    return _cookie(name, value, 365 * 86_400, secure=secure, hidden=False)


def _cookie(name: str, value: str, seconds: int, *, secure: bool, hidden: bool) -> Cookie:
    return Cookie(
        key=name,
        value=value,
        max_age=seconds,
        path="/",
        secure=secure,
        httponly=hidden,
        samesite="lax",
    )
