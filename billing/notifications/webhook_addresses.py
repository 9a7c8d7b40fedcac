"""Validation of webhook URLs when they are entered.

Rejects private, loopback, link-local and reserved addresses, host names that cannot be in public
DNS, and URLs with credentials. The host name of a new URL must also resolve to an allowed address;
if DNS does not answer, the URL is accepted with a warning.
"""

import re
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

import httpx

from billing.notifications.alert_targets import AlertTargetInvalid
from infra.outbound.allowed_addresses import AllowedAddresses, NameStatus
from infra.outbound.resolver import Address
from infra.outbound.webhook_post import webhook_host

# Top-level names that never resolve in public DNS (RFC 2606, 6761, 6762, 7686, 8375, 9476).
_UNRESOLVABLE_TLDS = ("invalid", "onion", "alt")
# Top-level names that only resolve inside a network: allowed if the operator allows any network.
_PRIVATE_TLDS = (
    "local",
    "localhost",
    "internal",
    "intranet",
    "lan",
    "home",
    "corp",
    "arpa",
    "test",
)
HOST_NOT_CHECKED = (
    "DNS did not answer, so the host name was not checked. Send a test event to check the webhook."
)
_ALLOWED_NETWORKS = (
    "Webhooks are delivered to the public internet and to networks that the operator allows "
    "(MAAS_WEBHOOK_NETWORKS)."
)
_NUMERIC = re.compile(r"(0x[0-9a-f]*|\d+)")
_LABEL = re.compile(r"[^\W_]([\w-]{0,61}[^\W_])?")


class WebhookUnreachable(AlertTargetInvalid):
    """The webhook URL cannot be delivered to.

    `reason` is url, scheme, credentials, port, private or name for the URL itself, and not_found
    or private_name for the result of the DNS look-up.
    """

    def __init__(self, reason: str, message: str) -> None:
        self.reason = reason
        super().__init__(message, param="url")


def require_allowed_url(url: str, allowed: AllowedAddresses) -> str:
    """Check form and address of a webhook URL, without DNS, and return it; it may be empty.

    Raises WebhookUnreachable, AlertTargetInvalid.
    """
    if not url:
        return url
    parts = _split_url(url)
    if parts.username is not None or parts.password is not None:
        raise WebhookUnreachable(
            "credentials",
            "The URL contains a user name or password. Each delivery is signed instead.",
        )
    host = (parts.hostname or "").rstrip(".").casefold()
    address = _parse_ip_address(host)
    if address is not None:
        _require_allowed_address(address, allowed)
    else:
        _require_valid_host_name(host, allowed)
    return url


async def check_host_resolves(url: str, allowed: AllowedAddresses) -> str | None:
    """Resolve the host name of a URL that passed `require_allowed_url`. Raises WebhookUnreachable.

    Returns a warning if DNS did not answer, else None. Takes up to two seconds, so it must not be
    called within a transaction.
    """
    host = _parse_host(url)
    if _parse_ip_address(host) is not None:
        return None
    status = await allowed.check(host)
    if status is NameStatus.NOT_FOUND:
        raise WebhookUnreachable("not_found", f"{host[:100]} does not exist or has no address.")
    if status is NameStatus.PRIVATE:
        raise WebhookUnreachable(
            "private_name",
            f"{host[:100]} resolves only to private or reserved addresses. {_ALLOWED_NETWORKS}",
        )
    return HOST_NOT_CHECKED if status is NameStatus.UNAVAILABLE else None


def _parse_host(url: str) -> str:
    """Return the host of a webhook URL. Raises WebhookUnreachable if the URL is invalid."""
    try:
        return webhook_host(url)
    except (httpx.InvalidURL, UnicodeError) as error:
        raise WebhookUnreachable("url", "The webhook URL is not valid.") from error


def _split_url(url: str) -> SplitResult:
    """Split a URL that is http(s) and has a host and a valid port. Raises WebhookUnreachable."""
    message = "A webhook URL must have the form https://host/path or http://host/path."
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


def _parse_ip_address(host: str) -> Address | None:
    """Return the IP address that the host consists of, or None if it is a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def _require_allowed_address(address: Address, allowed: AllowedAddresses) -> None:
    """Raise WebhookUnreachable if the address is private and not in an allowed network."""
    if not allowed.allows(address):
        raise WebhookUnreachable(
            "private",
            f"{address} is a private or reserved address. {_ALLOWED_NETWORKS}",
        )


def _require_valid_host_name(host: str, allowed: AllowedAddresses) -> None:
    """Raise WebhookUnreachable if DNS cannot resolve the name; private names need permission."""
    labels = host.split(".")
    inside = len(labels) == 1 or labels[-1] in _PRIVATE_TLDS
    valid = all(_LABEL.fullmatch(one) for one in labels) and not _NUMERIC.fullmatch(labels[-1])
    if (
        not valid
        or labels[-1] in _UNRESOLVABLE_TLDS
        or (inside and not allowed.has_private_networks)
    ):
        raise WebhookUnreachable(
            "name", f"{host[:100]} is not a host name that public DNS can resolve."
        )
