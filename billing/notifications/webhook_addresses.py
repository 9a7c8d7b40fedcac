"""Webhook addresses: which URLs can be delivered to at all, checked when one is entered.

Refused are URLs that no delivery could ever reach: private, loopback, link-local and reserved
addresses, names that public DNS cannot have, and URLs with credentials. The name of a new URL is
also looked up: it must exist and have an address that is allowed. Where DNS does not answer, the
URL is accepted with a warning.
"""

import re
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

import httpx

from billing.notifications.alert_targets import AlertTargetInvalid
from infra.outbound.allowed_addresses import NameStatus, Reach
from infra.outbound.resolver import Address
from infra.outbound.webhook_post import host_of

# Top-level names that never resolve in public DNS (RFC 2606, 6761, 6762, 7686, 8375, 9476).
_NEVER = ("invalid", "onion", "alt")
# Names that can only resolve inside a network: allowed where the operator allows any such network.
_INSIDE = ("local", "localhost", "internal", "intranet", "lan", "home", "corp", "arpa", "test")
NOT_CHECKED = (
    "DNS did not answer, so the host name was not checked. Send a test event to check the webhook."
)
_ALLOWED = (
    "Webhooks are delivered to the public internet and to networks that the operator allows "
    "(MAAS_WEBHOOK_NETWORKS)."
)
_NUMERIC = re.compile(r"(0x[0-9a-f]*|\d+)")
_LABEL = re.compile(r"[^\W_]([\w-]{0,61}[^\W_])?")


class WebhookUnreachable(AlertTargetInvalid):
    """A URL that no delivery can reach; `why` is url, scheme, credentials, port, private or name
    of what is written, and not_found or private_name of what DNS says."""

    def __init__(self, why: str, message: str) -> None:
        self.why = why
        super().__init__(message, param="url")


def require_reachable(url: str, reach: Reach) -> str:
    """The URL, if a delivery can reach it; an empty one is no webhook. Raises WebhookUnreachable,
    AlertTargetInvalid."""
    if not url:
        return url
    parts = _parts(url)
    if parts.username is not None or parts.password is not None:
        raise WebhookUnreachable(
            "credentials",
            "The URL contains a user name or password. Each delivery is signed instead.",
        )
    host = (parts.hostname or "").rstrip(".").casefold()
    address = _address(host)
    if address is not None:
        _require_allowed(address, reach)
    else:
        _require_name(host, reach)
    return url


async def look_up(url: str, reach: Reach) -> str | None:
    """Look up the host name of a URL that passed `require_reachable`; not within a transaction, as
    it takes up to two seconds. Returns a warning where DNS did not answer. Raises
    WebhookUnreachable."""
    host = _host(url)
    if _address(host) is not None:
        return None
    status = await reach.check(host)
    if status is NameStatus.NOT_FOUND:
        raise WebhookUnreachable("not_found", f"{host[:100]} does not exist or has no address.")
    if status is NameStatus.PRIVATE:
        raise WebhookUnreachable(
            "private_name",
            f"{host[:100]} resolves only to private or reserved addresses. {_ALLOWED}",
        )
    return NOT_CHECKED if status is NameStatus.UNAVAILABLE else None


def _host(url: str) -> str:
    try:
        return host_of(url)
    except (httpx.InvalidURL, UnicodeError) as error:
        raise WebhookUnreachable("url", "The webhook URL is not valid.") from error


def _parts(url: str) -> SplitResult:
    message = "A webhook URL is https://host/path or http://host/path."
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise WebhookUnreachable("port", "The URL's host or port is not valid.") from error
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise WebhookUnreachable("scheme", message)
    if port == 0:
        raise WebhookUnreachable("port", "The URL's host or port is not valid.")
    return parts


def _address(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _require_allowed(address: Address, reach: Reach) -> None:
    if not reach.allows(address):
        raise WebhookUnreachable(
            "private",
            f"{address} is a private or reserved address. {_ALLOWED}",
        )


def _require_name(host: str, reach: Reach) -> None:
    labels = host.split(".")
    inside = len(labels) == 1 or labels[-1] in _INSIDE
    valid = all(_LABEL.fullmatch(one) for one in labels) and not _NUMERIC.fullmatch(labels[-1])
    if not valid or labels[-1] in _NEVER or (inside and not reach.private):
        raise WebhookUnreachable(
            "name", f"{host[:100]} is not a host name that public DNS can resolve."
        )
