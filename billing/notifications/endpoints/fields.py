"""Validation of an endpoint's fields: address, secret, language, description, events.

A robot's address must begin as its vendor documents, so that an account cannot use the platform to
call other hosts. Webhooks are checked as those of the alert settings.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qs, urlsplit

from billing.events.types import ALL_EVENTS, SELECTIONS
from billing.notifications.alert_targets import AlertTargetInvalid
from billing.notifications.endpoints.kinds import EMAIL, KINDS, LANGUAGES, ROBOTS, WEBHOOK, Robot
from billing.notifications.webhook_addresses import check_host_resolves, require_allowed_url
from infra.errors import AppError
from infra.outbound.allowed_addresses import AllowedAddresses
from infra.outbound.mail import is_email_address

_MAX_ADDRESS, _MAX_SECRET, _MAX_DESCRIPTION, _MAX_EVENTS = 2000, 200, 200, 50
_SHOWN_KEY_LETTERS = 4


class NotificationEndpointInvalid(AppError):
    """A field of a notification endpoint is invalid; `param` names it."""

    status = 400
    type = "invalid_request_error"
    code = "notification_endpoint_invalid"


@dataclass(frozen=True, slots=True)
class AddressRules:
    """Where endpoints may be: networks of webhooks, and robots' hosts beside the vendors'.

    `robot_hosts` are names with an optional port. Addresses there may use http.
    """

    allowed: AllowedAddresses
    robot_hosts: tuple[str, ...] = ()


def require_kind(kind: str) -> str:
    """Return a known kind. Raises NotificationEndpointInvalid."""
    if kind not in KINDS:
        raise NotificationEndpointInvalid(f"Use one of: {', '.join(KINDS)}.", param="kind")
    return kind


def require_language(language: str) -> str:
    """Return a known language. Raises NotificationEndpointInvalid."""
    if language not in LANGUAGES:
        raise NotificationEndpointInvalid("Use `zh` or `en`.", param="language")
    return language


def require_description(text: str) -> str:
    """Return a description without surrounding spaces. Raises NotificationEndpointInvalid."""
    stripped = text.strip()
    if len(stripped) > _MAX_DESCRIPTION or not stripped.isprintable():
        raise NotificationEndpointInvalid(
            f"Use one line of at most {_MAX_DESCRIPTION} characters.", param="description"
        )
    return stripped


def require_events(names: Sequence[str]) -> list[str]:
    """Return the selected events without duplicates. Raises NotificationEndpointInvalid."""
    unknown = [name for name in names if name not in SELECTIONS]
    if unknown:
        raise NotificationEndpointInvalid(
            f"Unknown event type or group: `{unknown[0][:100]}`. GET "
            "/v1/notification_endpoints/event_types lists them.",
            param="enabled_events",
        )
    if not 0 < len(names) <= _MAX_EVENTS:
        raise NotificationEndpointInvalid(
            "Select at least one event type or group, or `*` for all.", param="enabled_events"
        )
    return [ALL_EVENTS] if ALL_EVENTS in names else list(dict.fromkeys(names))


def require_secret(kind: str, secret: str) -> str:
    """Return the secret of a robot, empty if it has none. Raises NotificationEndpointInvalid."""
    stripped = secret.strip()
    if stripped and not (kind in ROBOTS and ROBOTS[kind].can_sign):
        raise NotificationEndpointInvalid(
            "Only robots of DingTalk and Feishu have a secret of yours. Webhooks get one from us.",
            param="secret",
        )
    if len(stripped) > _MAX_SECRET or not stripped.isascii() or not stripped.isprintable():
        raise NotificationEndpointInvalid(
            f"The secret must have at most {_MAX_SECRET} ASCII characters.", param="secret"
        )
    return stripped


def require_address(kind: str, address: str, rules: AddressRules) -> str:
    """Check the form of an address and return it. Raises NotificationEndpointInvalid."""
    stripped = address.strip()
    if not 0 < len(stripped) <= _MAX_ADDRESS or not stripped.isprintable():
        raise _invalid_address("Enter the address of the endpoint.")
    if kind == EMAIL:
        if not is_email_address(stripped):
            raise _invalid_address("Enter a valid e-mail address.")
        return stripped
    if kind == WEBHOOK:
        try:
            return require_allowed_url(stripped, rules.allowed)
        except AlertTargetInvalid as error:
            raise _invalid_address(error.message) from error
    _require_robot_address(ROBOTS[kind], stripped, rules)
    return stripped


async def check_address(kind: str, address: str, rules: AddressRules) -> str | None:
    """Resolve the host of a webhook that passed `require_address`; not within a transaction.

    Returns a warning if DNS did not answer. Raises NotificationEndpointInvalid.
    """
    if kind != WEBHOOK:
        return None
    try:
        return await check_host_resolves(address, rules.allowed)
    except AlertTargetInvalid as error:
        raise _invalid_address(error.message) from error


def mask_address(kind: str, address: str) -> str:
    """Return an address as it is shown: of a robot's key, only the last letters."""
    if kind not in ROBOTS:
        return address
    robot, parts = ROBOTS[kind], urlsplit(address)
    key = _robot_key(robot, parts)
    tail = key[-_SHOWN_KEY_LETTERS:] if len(key) > 2 * _SHOWN_KEY_LETTERS else ""
    ending = f"?{robot.key_parameter}=…{tail}" if robot.key_parameter else f"…{tail}"
    return f"{parts.scheme}://{parts.netloc}{robot.path}{ending}"


def secret_parts(kind: str, address: str, secret: str) -> list[str]:
    """Return the texts that a log must not contain: the secret and the key of the address."""
    key = _robot_key(ROBOTS[kind], urlsplit(address)) if kind in ROBOTS else ""
    return [part for part in (secret, key) if part]


def _require_robot_address(robot: Robot, address: str, rules: AddressRules) -> None:
    """Raise NotificationEndpointInvalid unless it is an address of the vendor's robots."""
    example = f"https://{robot.hosts[0]}{robot.path}"
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        raise _invalid_address(f"The address must begin with {example}.") from None
    host = (parts.hostname or "").casefold()
    place = host if port is None else f"{host}:{port}"
    is_vendor = parts.scheme == "https" and place in robot.hosts
    is_other = parts.scheme in ("https", "http") and place in rules.robot_hosts
    has_user = parts.username is not None or parts.password is not None
    if not (is_vendor or is_other) or has_user or not _robot_key(robot, parts):
        raise _invalid_address(f"The address must begin with {example} and contain the key.")


def _robot_key(robot: Robot, parts: SplitResult) -> str:
    """Return the key in a robot's address, empty if the address has another form."""
    if robot.key_parameter is None:
        key = parts.path.removeprefix(robot.path)
        return "" if key == parts.path else key
    keys = parse_qs(parts.query).get(robot.key_parameter, [])
    return keys[0] if parts.path == robot.path and len(keys) == 1 else ""


def _invalid_address(message: str) -> NotificationEndpointInvalid:
    """Return the error for an address."""
    return NotificationEndpointInvalid(message, param="address")
