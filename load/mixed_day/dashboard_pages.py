"""Read values from dashboard pages: CSRF tokens, key ids and secrets."""

import re

# The pages that readers open.
PAGES = (
    "/dashboard",
    "/dashboard/usage",
    "/dashboard/keys",
    "/dashboard/limits",
    "/dashboard/plan",
    "/dashboard/invoices",
    "/dashboard/team",
    "/dashboard/outcomes",
)
_TOKEN = re.compile(r'name="csrf" content="([^"]+)"')
_NEW_KEY = re.compile(r'name="id" value="(key_[0-9a-f]+)"')
_SECRET = re.compile(r"\bmaas_[A-Za-z0-9]{20,}")


def is_signed_in(page: str) -> bool:
    """Return whether the page belongs to a signed-in session."""
    return _TOKEN.search(page) is not None


class PageUnexpected(Exception):
    """A page lacks an expected value."""


def csrf_token(page: str) -> str:
    """Return the session's CSRF token. Raises PageUnexpected."""
    return _search(_TOKEN, page)


def new_key_id(page: str) -> str:
    """Return the id of the API key that the form will create. Raises PageUnexpected."""
    return _search(_NEW_KEY, page)


def api_key_secret(page: str) -> str:
    """Return the secret that the page shows once. Raises PageUnexpected."""
    return _search(_SECRET, page, group=0)


def created_key_id(page: str) -> str:
    """Return the id of the API key on the page shown after its creation. Raises PageUnexpected."""
    return _search(re.compile(r'href="/dashboard/keys/(key_[0-9a-f]+)"'), page)


def _search(pattern: re.Pattern[str], page: str, group: int = 1) -> str:
    match = pattern.search(page)
    if match is None:
        raise PageUnexpected(f"the page does not have {pattern.pattern}")
    return match[group]
