"""The dashboard as a browser without scripts uses it: forms, tokens and what a page says."""

import re

# Those that people open in the course of a day.
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
    """Whether the page is one of a session."""
    return _TOKEN.search(page) is not None


class PageUnexpected(Exception):
    """A page lacks what it is read for."""


def token_of(page: str) -> str:
    """What a form of this session must carry."""
    return _found(_TOKEN, page)


def new_key_of(page: str) -> str:
    """The id of the key that the form makes."""
    return _found(_NEW_KEY, page)


def secret_of(page: str) -> str:
    """The secret that is shown only now."""
    return _found(_SECRET, page, group=0)


def key_made(page: str) -> str:
    """The id of the key on the page that answers its making."""
    return _found(re.compile(r'href="/dashboard/keys/(key_[0-9a-f]+)"'), page)


def _found(pattern: re.Pattern[str], page: str, group: int = 1) -> str:
    found = pattern.search(page)
    if found is None:
        raise PageUnexpected(f"the page does not have {pattern.pattern}")
    return found[group]
