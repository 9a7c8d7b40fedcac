"""A key's scope: models, service tiers and endpoints that it may use, and from which networks."""

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.metering.key_epoch import advance_epoch
from billing.rating.products import TIERS
from billing.tables import ApiKey
from gateway.access.key_limits import KEY_PREFIX
from gateway.access.key_permissions import parse_permissions
from gateway.identity.audit_log import Actor, record_audit_event
from infra import ids
from infra.clock import Clock
from infra.errors import AppError

Network = IPv4Network | IPv6Network
# The service tiers that a key can be restricted to: the values of `service_tier` in a request.
SERVICE_TIERS = ("default", *TIERS)
_MAX_NETWORKS = 50
_SEPARATORS = re.compile(r"[\s,，、;；]+")


class NetworksUnreadable(AppError):
    """A text that is not a list of IP addresses and networks."""

    status = 400
    type = "invalid_request_error"
    code = "networks_unreadable"


class ServiceTierInvalid(AppError):
    """A key cannot be restricted to this service tier."""

    status = 400
    type = "invalid_request_error"
    code = "service_tier_invalid"


@dataclass(frozen=True, slots=True)
class Scope:
    """What an API key may be used for; None allows all.

    `models` are catalog ids (variants go with their base model), `networks` CIDR notation such as
    `203.0.113.0/24`, `service_tiers` names in the order of SERVICE_TIERS, `permissions` in that of
    KeyPermission.
    """

    models: list[str] | None = None
    networks: list[str] | None = None
    service_tiers: list[str] | None = None
    permissions: list[str] | None = None


UNRESTRICTED = Scope()


def parse_scope(
    models: Iterable[str],
    networks: str,
    tiers: Iterable[str] = (),
    permissions: Iterable[str] = (),
) -> Scope:
    """Parse a key's scope from a form. Without entries, each restriction allows all.

    Raises NetworksUnreadable, ServiceTierInvalid, KeyPermissionInvalid.
    """
    texts = [text for text in _SEPARATORS.split(networks) if text]
    try:
        parsed = sorted({str(ip_network(text, strict=False)) for text in texts})
    except ValueError as error:
        raise _invalid_networks_error() from error
    if len(parsed) > _MAX_NETWORKS:
        raise _invalid_networks_error()
    allowed = parse_permissions(permissions)
    return Scope(sorted(models) or None, parsed or None, parse_service_tiers(tiers), allowed)


def parse_service_tiers(names: Iterable[str]) -> list[str] | None:
    """Parse the service tiers that a key is restricted to; without names, None, which allows all.

    Raises ServiceTierInvalid.
    """
    selected = set(names)
    if unknown := sorted(selected - set(SERVICE_TIERS)):
        raise ServiceTierInvalid(
            f"Unknown service tier: {unknown[0][:40]!r}. Choose from {', '.join(SERVICE_TIERS)}.",
            param="service_tiers",
        )
    return [name for name in SERVICE_TIERS if name in selected] or None


def scope_of(row: ApiKey) -> Scope:
    """Return the scope of a key's row: what it allows."""
    return Scope(row.models, row.networks, row.service_tiers, row.permissions)


def networks_of(row: ApiKey) -> tuple[Network, ...]:
    """Return the networks that a key may be used from; empty allows all."""
    return tuple(ip_network(text) for text in row.networks or ())


def is_in_networks(networks: Iterable[Network], address: str) -> bool:
    """Whether an IP address is in one of the networks; an invalid address is in none."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return any(parsed in network for network in networks)


async def change_scope(
    session: AsyncSession, clock: Clock, actor: Actor, account_id: UUID, key_id: UUID, scope: Scope
) -> None:
    """Set the scope of an account's key, which must exist; an equal scope changes nothing.

    Every gateway applies it within a second.
    """
    query = select(ApiKey).where(col(ApiKey.id) == key_id, col(ApiKey.account_id) == account_id)
    row = (await session.scalars(query.with_for_update())).one()
    current = scope_of(row)
    if scope == current:
        return
    row.models, row.networks = scope.models, scope.networks
    row.service_tiers, row.permissions = scope.service_tiers, scope.permissions
    await session.flush()
    await advance_epoch(session, account_id)
    details = {"from": asdict(current), "to": asdict(scope)}
    subject = ids.format_id(KEY_PREFIX, key_id)
    await record_audit_event(
        session, clock, actor, account_id, "key.scope_changed", subject, details
    )


async def change_restrictions(
    session: AsyncSession,
    clock: Clock,
    actor: Actor,
    account_id: UUID,
    key_id: UUID,
    **restrictions: list[str] | None,
) -> None:
    """Set the named restrictions of an account's key, which must exist; None allows all."""
    query = select(ApiKey).where(col(ApiKey.id) == key_id, col(ApiKey.account_id) == account_id)
    row = (await session.scalars(query.with_for_update())).one()
    scope = replace(scope_of(row), **restrictions)
    await change_scope(session, clock, actor, account_id, key_id, scope)


def _invalid_networks_error() -> NetworksUnreadable:
    """Return the error for a key's allowed networks that are invalid or too many."""
    return NetworksUnreadable(
        f"Enter at most {_MAX_NETWORKS} IP addresses or networks, for example "
        "203.0.113.7 or 203.0.113.0/24.",
        param="networks",
    )
