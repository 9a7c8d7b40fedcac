"""Protection of pages: security headers, the session cookie, and CSRF checks.

A POST is accepted only from the same origin and, with a session, only with its CSRF token.
"""

import hmac
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal
from urllib.parse import urlsplit

from litestar import Request, Response
from litestar.datastructures import Cookie

from billing.collection.collectors import COLLECTORS
from gateway.dashboard.errors import CsrfCheckFailed

CSRF_FIELD = "csrf"  # a field's name
_CSRF_HEADER = "x-csrf-token"  # a header's name
# Cookies with the display preferences of a browser.
PreferenceCookie = Literal["maas_language", "maas_theme"]
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
# Forms may lead to the pages where collectors take payments.
_PAGE_ORIGINS = tuple(origin for entry in COLLECTORS.values() for origin in entry.info.page_origins)
SECURITY_HEADERS: Mapping[str, str] = MappingProxyType(
    {
        # Scripts and styles load only from this origin, so customers' text never runs as code.
        # Charts draw on a canvas, and bars are HTML elements, so no inline style is needed.
        "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
        "img-src 'self' data:; font-src 'self'; connect-src 'self'; "
        f"form-action 'self' {' '.join(_PAGE_ORIGINS)}; "
        "base-uri 'none'; frame-ancestors 'none'",
        "referrer-policy": "same-origin",
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "cross-origin-opener-policy": "same-origin",
        "permissions-policy": "camera=(), geolocation=(), microphone=()",
        "cache-control": "no-store",
    }
)


async def add_security_headers(response: Any) -> Any:
    """Add the security headers to a response, as an `after_request` hook.

    Headers that are set already stay, such as the cache-control of static files. ASGI applications
    (the playground's calls) send the headers themselves.
    """
    if not isinstance(response, Response):
        return response
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def require_same_origin(request: Request[Any, Any, Any]) -> None:
    """Raise CsrfCheckFailed unless a POST was sent from a page of the same host.

    Browsers send the Origin header with every POST, and pages cannot forge it. The scheme is not
    compared, since a proxy may terminate TLS.
    """
    if request.method in _SAFE_METHODS:
        return
    try:
        origin = urlsplit(request.headers.get("origin", "")).netloc
    except ValueError:  # as of `http://[`
        origin = ""
    if not origin or origin != request.headers.get("host", ""):
        raise CsrfCheckFailed("The form was sent from another page.")


async def require_csrf_token(request: Request[Any, Any, Any], token: str) -> None:
    """Raise CsrfCheckFailed unless a POST carries the session's CSRF token."""
    if request.method in _SAFE_METHODS:
        return
    sent = await read_csrf_token(request)
    if not hmac.compare_digest(sent.encode(), token.encode()):
        raise CsrfCheckFailed("The page was open for too long.")


async def read_csrf_token(request: Request[Any, Any, Any]) -> str:
    """Read the CSRF token from the header (htmx) or the form field; empty if there is none."""
    sent = request.headers.get(_CSRF_HEADER)
    return sent if sent is not None else str((await request.form()).get(CSRF_FIELD, ""))


def session_cookie_name(secure: bool) -> str:
    """Return the session cookie's name over HTTPS (`secure`) or HTTP.

    The `__Host-` prefix needs HTTPS: browsers then accept the cookie only from this host and for
    all paths.
    """
    return "__Host-maas" if secure else "maas_session"


def session_cookie(value: str, seconds: int, *, secure: bool) -> Cookie:
    """Return the session cookie: HttpOnly, SameSite=Lax; with `secure`, for HTTPS only."""
    return _cookie(session_cookie_name(secure), value, seconds, secure=secure, http_only=True)


def expired_session_cookie(*, secure: bool) -> Cookie:
    """Return the cookie that deletes the session cookie of HTTPS (`secure`) or HTTP."""
    return _cookie(session_cookie_name(secure), "", 0, secure=secure, http_only=True)


def sign_in_attempt_cookie_name(secure: bool) -> str:
    """Return the name of the cookie with a sign-in at an identity provider, HTTPS or HTTP."""
    return "__Host-maas_sign_in" if secure else "maas_sign_in"


def sign_in_attempt_cookie(value: str, seconds: int, *, secure: bool) -> Cookie:
    """Return the cookie of a sign-in at an identity provider: HttpOnly, SameSite=Lax."""
    name = sign_in_attempt_cookie_name(secure)
    return _cookie(name, value, seconds, secure=secure, http_only=True)


def passkey_cookie_name(secure: bool) -> str:
    """Return the name of the cookie of a step with a passkey, HTTPS or HTTP."""
    return "__Host-maas_passkey" if secure else "maas_passkey"


def passkey_cookie(value: str, seconds: int, *, secure: bool) -> Cookie:
    """Return the cookie of a step with a passkey: HttpOnly, SameSite=Lax."""
    return _cookie(passkey_cookie_name(secure), value, seconds, secure=secure, http_only=True)


def preference_cookie(name: PreferenceCookie, value: str, *, secure: bool) -> Cookie:
    """Return a display preference's cookie, kept for a year; scripts may read and write it."""
    return _cookie(name, value, 365 * 86_400, secure=secure, http_only=False)


def _cookie(name: str, value: str, seconds: int, *, secure: bool, http_only: bool) -> Cookie:
    """Build a cookie for all paths, SameSite=Lax; `http_only` hides it from scripts."""
    return Cookie(
        key=name,
        value=value,
        max_age=seconds,
        path="/",
        secure=secure,
        httponly=http_only,
        samesite="lax",
    )
