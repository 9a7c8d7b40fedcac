"""Addresses of sources as logs, metrics and checks show them."""

from urllib.parse import urlsplit


def shown_address(url: str) -> str:
    """Return an address without the user name and password that it may contain."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url.rpartition("@")[2]
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
