"""A key's scope: which models and service tiers it may call, and from which networks."""

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
from gateway.identity.audit_log import Actor, record
from infra import ids
from infra.clock import Clock
from infra.errors import AppError

Network = IPv4Network | IPv6Network
# What a key may be kept to, as `service_tier` of a call names it.
SERVICE_TIERS = ("default", *TIERS)
_MOST = 50
_BETWEEN = re.compile(r"[\s,，、;；]+")


class NetworksUnreadable(AppError):
    """What was written is no list of addresses and networks."""

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
    """None is all of them: ids of the catalog's models, variants going with their base; networks as
    `203.0.113.0/24`; names of service tiers, in the order of SERVICE_TIERS."""

    models: list[str] | None = None
    networks: list[str] | None = None
    service_tiers: list[str] | None = None


ALL = Scope()


def scope_from(models: Iterable[str], networks: str, tiers: Iterable[str] = ()) -> Scope:
    """As forms say it: no model and no tier is all of them, and an empty text anywhere.

    Raises NetworksUnreadable, ServiceTierInvalid.
    """
    texts = [text for text in _BETWEEN.split(networks) if text]
    try:
        read = sorted({str(ip_network(text, strict=False)) for text in texts})
    except ValueError as error:
        raise _unreadable() from error
    if len(read) > _MOST:
        raise _unreadable()
    return Scope(sorted(models) or None, read or None, tiers_from(tiers))


def tiers_from(names: Iterable[str]) -> list[str] | None:
    """The service tiers that a key is restricted to; no name is None, which allows all.

    Raises ServiceTierInvalid.
    """
    wanted = set(names)
    if unknown := sorted(wanted - set(SERVICE_TIERS)):
        raise ServiceTierInvalid(
            f"Unknown service tier: {unknown[0][:40]!r}. Choose from {', '.join(SERVICE_TIERS)}.",
            param="service_tiers",
        )
    return [name for name in SERVICE_TIERS if name in wanted] or None


def scope_of(row: ApiKey) -> Scope:
    return Scope(row.models, row.networks, row.service_tiers)


def networks_of(row: ApiKey) -> tuple[Network, ...]:
    """Those that the key may be used from; empty for anywhere."""
    return tuple(ip_network(text) for text in row.networks or ())


def within(networks: Iterable[Network], address: str) -> bool:
    """Whether an address is in one of them; what is no address is in none."""
    try:
        place = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(place, IPv6Address) and place.ipv4_mapped is not None:
        place = place.ipv4_mapped
    return any(place in network for network in networks)


async def change_scope(
    session: AsyncSession, clock: Clock, by: Actor, account_id: UUID, key_id: UUID, wanted: Scope
) -> None:
    """Every gateway keeps to it within a second; the same again changes nothing. The key must be
    the account's."""
    query = select(ApiKey).where(col(ApiKey.id) == key_id, col(ApiKey.account_id) == account_id)
    row = (await session.scalars(query.with_for_update())).one()
    known = scope_of(row)
    if wanted == known:
        return
    row.models, row.networks = wanted.models, wanted.networks
    row.service_tiers = wanted.service_tiers
    await session.flush()
    await advance_epoch(session, account_id)
    details = {"from": asdict(known), "to": asdict(wanted)}
    subject = ids.show(KEY_PREFIX, key_id)
    await record(session, clock, by, account_id, "key.scope_changed", subject, details)


async def change_tiers(
    session: AsyncSession,
    clock: Clock,
    by: Actor,
    account_id: UUID,
    key_id: UUID,
    tiers: list[str] | None,
) -> None:
    """Change only the service tiers of a key's scope; None allows all. The key must be the
    account's."""
    query = select(ApiKey).where(col(ApiKey.id) == key_id, col(ApiKey.account_id) == account_id)
    row = (await session.scalars(query.with_for_update())).one()
    wanted = replace(scope_of(row), service_tiers=tiers)
    await change_scope(session, clock, by, account_id, key_id, wanted)


def _unreadable() -> NetworksUnreadable:
    return NetworksUnreadable(
        f"Addresses and networks are at most {_MOST}, as 203.0.113.7 or 203.0.113.0/24.",
        param="networks",
    )
