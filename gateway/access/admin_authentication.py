"""Authentication of admin keys: without a cache, so that a revocation applies at once.

Failures are counted per network in the database. While a network is locked out, its keys are not
looked up at all. Each request also counts against the requests per minute of its key.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_network
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.access.admin_errors import AdminKeyRequired, AdminScopeMissing
from gateway.access.admin_keys import ADMIN_KEY_ID_PREFIX
from gateway.access.admin_scopes import AdminScope
from gateway.access.api_keys import hash_secret
from gateway.access.key_format import ADMIN_KEY_PREFIX, is_well_formed
from gateway.access.key_scopes import is_in_networks
from gateway.call.errors import (
    KeyExpired,
    KeyMissing,
    KeyNetworkNotAllowed,
    KeyRevoked,
    RateLimited,
)
from gateway.identity.audit_log import Actor
from gateway.identity.client_origin import ClientOrigin
from gateway.identity.throttling.lockout import (
    AttemptCounter,
    LockedOut,
    LockoutPolicy,
    count_attempt,
    require_not_locked,
)
from gateway.tables import AdminKey
from infra import ids
from infra.clock import Clock
from infra.database.database import Database
from infra.errors import AppError

_FAILURE_POLICY = LockoutPolicy(20, timedelta(seconds=30), timedelta(hours=1))
_WINDOW = timedelta(minutes=1)
# One statement, so that concurrent requests on several gateways all count.
_COUNT_SQL = text(
    """
    update admin_key set
        last_used_at = :now,
        last_address = :address,
        window_requests = case when window_started_at > :window then window_requests + 1 else 1 end,
        window_started_at = case when window_started_at > :window then window_started_at
            else cast(:now as timestamptz) end
    where id = :id
    returning window_requests, window_started_at
    """
)


@dataclass(frozen=True, slots=True)
class AdminCaller:
    """An authenticated admin key. `account_id` is None for a platform key, which has `scopes`."""

    key_id: UUID
    account_id: UUID | None
    scopes: frozenset[str]
    address: str
    request_id: str

    @property
    def actor(self) -> Actor:
        """The actor of changes, with key, address and request."""
        key = ids.format_id(ADMIN_KEY_ID_PREFIX, self.key_id)
        return Actor.from_api_key(key, self.address, self.request_id)

    def require_scope(self, scope: AdminScope) -> None:
        """Raise AdminScopeMissing unless this is a platform key with the scope."""
        if scope not in self.scopes:
            raise AdminScopeMissing(f"The admin key lacks the scope `{scope}`.", param=scope)


@dataclass(frozen=True, slots=True)
class AdminAuthenticator:
    """Authenticates admin keys. `requests_per_minute` limits each key, over all gateways."""

    database: Database
    clock: Clock
    pepper: bytes
    requests_per_minute: int

    async def authenticate(
        self, credentials: str | None, origin: ClientOrigin, request_id: str, *, platform: bool
    ) -> AdminCaller:
        """Return the caller of an `Authorization` header: a platform key, or one of an account.

        Raises KeyMissing, AdminKeyRequired, KeyRevoked, KeyExpired, KeyNetworkNotAllowed,
        LockedOut, RateLimited.
        """
        try:
            async with self.database.transaction() as session:
                await require_not_locked(session, self.clock, _failures(origin))
                row = await self._find(session, _parse_secret(credentials))
            self._require_usable(row, origin, platform=platform)
        except LockedOut:
            raise
        except AppError as error:
            if error.status in (401, 403):
                await self._count_failure(origin)
            raise
        await self._count_request(row, origin)
        scopes = frozenset(row.scopes or ())
        return AdminCaller(row.id, row.account_id, scopes, origin.address, request_id)

    async def _find(self, session: AsyncSession, secret: str) -> AdminKey:
        """Look up a key of whichever account (account_id). Raises AdminKeyRequired."""
        digest = hash_secret(secret, self.pepper)
        query = select(AdminKey).where(col(AdminKey.hash) == digest)
        row = (await session.scalars(query)).one_or_none()
        if row is None:
            raise AdminKeyRequired("This admin key is not valid. Check that it was copied whole.")
        return row

    def _require_usable(self, row: AdminKey, origin: ClientOrigin, *, platform: bool) -> None:
        """Raise the error of a key that may not be used now, from there or for that."""
        if row.revoked_at is not None:
            raise KeyRevoked("This admin key was revoked. Use another key.")
        if row.expires_at is not None and row.expires_at <= self.clock.now():
            raise KeyExpired("This admin key has expired. Create another key.")
        networks = [ip_network(one) for one in row.networks or ()]
        if networks and not is_in_networks(networks, origin.address):
            raise KeyNetworkNotAllowed(
                f"This admin key may not be used from {origin.address or 'an unknown address'}."
            )
        if platform != (row.account_id is None):
            needed = "a platform admin key" if platform else "an admin key of the account"
            raise AdminKeyRequired(f"This endpoint needs {needed}.")

    async def _count_failure(self, origin: ClientOrigin) -> None:
        """Count a failure of the network, in a transaction of its own. Raises LockedOut."""
        async with self.database.transaction() as session:
            await count_attempt(session, self.clock, [_failures(origin)])

    async def _count_request(self, row: AdminKey, origin: ClientOrigin) -> None:
        """Record the use of a key (account_id) and count the request. Raises RateLimited."""
        now = self.clock.now()
        values = {"id": row.id, "now": now, "address": origin.address, "window": now - _WINDOW}
        async with self.database.transaction() as session:
            requests, started = (await session.execute(_COUNT_SQL, values)).one()
        if requests > self.requests_per_minute:
            raise RateLimited(
                f"The limit of {self.requests_per_minute} requests per minute for this admin key "
                "was reached. Try again shortly.",
                headers={"retry-after": str(_seconds_left(started, now))},
            )


def is_admin_key(credentials: str | None) -> bool:
    """Whether an Authorization header has an admin key, valid or not."""
    return (credentials or "").partition(" ")[2].strip().startswith(ADMIN_KEY_PREFIX)


def _parse_secret(credentials: str | None) -> str:
    """Return the admin key of an Authorization header. Raises KeyMissing, AdminKeyRequired."""
    scheme, _, secret = (credentials or "").partition(" ")
    secret = secret.strip()
    if scheme.lower() != "bearer" or not secret:
        raise KeyMissing("No admin key was sent. Send it as `Authorization: Bearer <key>`.")
    if not is_well_formed(secret, ADMIN_KEY_PREFIX):
        raise AdminKeyRequired(
            f"This endpoint needs an admin key ({ADMIN_KEY_PREFIX}…). API keys cannot use it."
        )
    return secret


def _failures(origin: ClientOrigin) -> AttemptCounter:
    """Return the counter of failed authentications from one network."""
    return AttemptCounter("admin-key-network", origin.network, _FAILURE_POLICY)


def _seconds_left(started: datetime, now: datetime) -> int:
    """Return the whole seconds until the minute of a key's requests ends, at least 1."""
    return max(1, round((started + _WINDOW - now).total_seconds() + 0.5))
