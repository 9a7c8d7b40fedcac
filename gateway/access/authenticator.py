"""Authentication of API keys, with a cache that a revocation clears within a second everywhere.

Cached keys spare a call the database round trip. Every `epoch_poll_s` the epoch of key changes is
read; if it advanced, the cached keys of the changed accounts are dropped and the epoch is
acknowledged (gateway/access/propagation.py waits for that). If the epoch could not be read for
`trust_s`, the cache is not used. So a revoked key stops working within a second on every gateway
process, even if a database connection has died silently.
"""

import asyncio
import hashlib
import secrets
from contextlib import suppress
from datetime import datetime
from functools import partial
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError

from billing.metering.key_epoch import acknowledge_epoch, read_access_changes
from gateway.access.api_keys import hash_secret
from gateway.access.key_format import ADMIN_KEY_PREFIX, is_well_formed
from gateway.access.key_lookup import KeyRecord, find_key_by_hash, find_key_by_id
from gateway.access.key_scopes import is_in_networks
from gateway.access.price_book import PriceBook
from gateway.access.project_errors import ProjectArchived
from gateway.call.errors import (
    NO_RETRY_HEADERS,
    AccountSuspended,
    KeyExpired,
    KeyInvalid,
    KeyMissing,
    KeyNetworkNotAllowed,
    KeyRevoked,
)
from gateway.call.values import Call, Principal, SignedInCaller
from gateway.quota.process_heartbeat import ProcessHeartbeat
from infra.clock import Clock
from infra.database.database import Database, DatabaseUnavailable, UnavailableReason
from infra.database.direct import DirectConnection
from infra.timing import DEFAULT_TIMING, Timing

_MAX_CACHED_KEYS = 50_000


class Authenticator:
    """Authenticates API keys for one gateway process. `start` starts polling the epoch of key
    changes, `stop` ends it."""

    def __init__(
        self,
        database: Database,
        epoch_connection: DirectConnection,
        membership: ProcessHeartbeat,
        price_book: PriceBook,
        clock: Clock,
        pepper: bytes,
        *,
        timing: Timing = DEFAULT_TIMING,
    ) -> None:
        self._timing = timing
        self._database = database
        self._epoch_connection = epoch_connection
        self._membership = membership
        self._price_book = price_book
        self._clock = clock
        self._pepper = pepper
        self._cache: dict[bytes, KeyRecord] = {}
        self._lookups: dict[bytes, tuple[float, asyncio.Task[KeyRecord]]] = {}
        self._cache_hash_key = secrets.token_bytes(32)
        self._epoch = -1
        self._catalog_changes = 0
        self._acknowledged: tuple[UUID, int] | None = None
        self._epoch_read_at = float("-inf")
        self._epoch_readable = True
        self._poller: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()
        self._log = structlog.get_logger()

    async def start(self) -> None:
        """Start the task that applies key changes to the cache."""
        self._poller = asyncio.create_task(self._poll_changes(), name="access-epoch")

    async def stop(self) -> None:
        """End the task that applies key changes, after its current transaction."""
        # Not cancelled: cancellation would leave the connection in the middle of a transaction.
        self._stopping.set()
        if self._poller is not None:
            await self._poller

    async def identify(self, credentials: str | None, at: datetime | None = None) -> KeyRecord:
        """Look up the API key of an `Authorization` header, even a revoked one, with its prices.

        Its prices and quotas are those at the moment `at`, now by default.

        The caller must check it with `require_active` and `require_not_suspended`.

        Raises KeyMissing, KeyInvalid, DatabaseUnavailable.
        """
        at = at or self._clock.now()
        # The cache key is a fast keyed hash, valid in this process only.
        cache_key = hashlib.blake2b((credentials or "").encode(), key=self._cache_hash_key).digest()
        key_record = self._cache.get(cache_key) if self.is_fresh else None
        if key_record is not None and key_record.valid_from <= at < key_record.valid_until:
            return key_record
        digest = hash_secret(_parse_bearer_token(credentials), self._pepper)
        return await self._shared_lookup(digest, cache_key, at)

    async def identify_call(self, call: Call) -> KeyRecord:
        """Look up the API key of a call: from its header, or the one that a signed-in person chose.

        Raises like `identify`.
        """
        if call.signed_in_caller is None:
            return await self.identify(call.credentials, call.started_at)
        if call.signed_in_caller.may_be_cached:
            return await self._identify_cached_key(call.signed_in_caller, call.started_at)
        return await self.identify_key(call.signed_in_caller, call.started_at)

    async def identify_key(self, caller: SignedInCaller, at: datetime) -> KeyRecord:
        """Look up the API key that a signed-in person chose, by its id and without the cache.

        Raises KeyInvalid, DatabaseUnavailable.
        """
        async with self._database.transaction() as session:
            key_record = await find_key_by_id(
                session, self._price_book, caller.account_id, caller.key_id, at
            )
        if key_record is None:
            raise KeyInvalid("The account has no such API key.")
        return key_record

    async def _identify_cached_key(self, caller: SignedInCaller, at: datetime) -> KeyRecord:
        """Look up the key of a job by its id, in the cache first. Raises as `identify_key`."""
        # 32 bytes: the cache keys of credentials have 64.
        cache_key = caller.account_id.bytes + caller.key_id.bytes
        key_record = self._cache.get(cache_key) if self.is_fresh else None
        if key_record is not None and key_record.valid_from <= at < key_record.valid_until:
            return key_record
        before = self._epoch, self._catalog_changes
        key_record = await self.identify_key(caller, at)
        if before == (self._epoch, self._catalog_changes):
            self._cache[cache_key] = key_record
        return key_record

    def forget_keys(self) -> None:
        """Drop all cached keys, with their prices, after a change of the catalog."""
        self._catalog_changes += 1
        self._invalidate(None)

    def require_active(self, key_record: KeyRecord, address: str | None = None) -> Principal:
        """Return the principal of a key that may be used now, from this client address.

        `address` is None for work that goes on after its request; networks are not checked then.

        Raises KeyRevoked, KeyExpired, ProjectArchived, KeyNetworkNotAllowed.
        """
        if key_record.revoked_at is not None:
            raise KeyRevoked("This API key was revoked. Use another key.")
        if key_record.expires_at is not None and key_record.expires_at <= self._clock.now():
            raise KeyExpired("This API key has expired. Use the key that replaced it.")
        if key_record.archived_at is not None:
            raise ProjectArchived("The project of this API key is archived. Use another key.")
        if (
            key_record.networks
            and address is not None
            and not is_in_networks(key_record.networks, address)
        ):
            raise KeyNetworkNotAllowed(
                f"This API key may not be used from {address or 'an unknown address'}."
            )
        return key_record.principal

    def require_not_suspended(self, key_record: KeyRecord) -> None:
        """Raise AccountSuspended if the account may not call models.

        A suspended account may still read its own records.
        """
        if key_record.suspended_at is not None:
            raise AccountSuspended(
                "The account is suspended because of an unpaid invoice. Pay the invoice or "
                "contact the platform operator.",
                headers=NO_RETRY_HEADERS,
            )

    @property
    def is_fresh(self) -> bool:
        """Whether changes of keys were read recently enough to trust the cache."""
        return self._clock.monotonic() - self._epoch_read_at <= self._timing.trust_s

    async def _shared_lookup(self, digest: bytes, cache_key: bytes, at: datetime) -> KeyRecord:
        """Look up a key once for all concurrent calls with it.

        Otherwise the first calls to a new process would queue for its few database connections.
        """
        now = self._clock.monotonic()
        started, task = self._lookups.get(cache_key, (float("-inf"), None))
        if task is None or now - started > self._timing.epoch_poll_s:
            task = asyncio.create_task(self._look_up_key(digest, cache_key, at), name="key-look-up")
            self._lookups[cache_key] = (now, task)
            task.add_done_callback(partial(self._forget_lookup, cache_key))
        # Shielded: if the first caller is cancelled, the others still need the result.
        key_record = await asyncio.shield(task)
        if key_record.valid_from <= at < key_record.valid_until:
            return key_record
        return await self._look_up_key(digest, cache_key, at)

    def _forget_lookup(self, cache_key: bytes, task: "asyncio.Task[KeyRecord]") -> None:
        """Remove an ended lookup, unless a newer one of the same key has replaced it."""
        if self._lookups.get(cache_key, (0.0, None))[1] is task:
            del self._lookups[cache_key]
        if not task.cancelled():
            task.exception()  # marks the exception as retrieved: all callers may have left

    async def _look_up_key(self, digest: bytes, cache_key: bytes, at: datetime) -> KeyRecord:
        """Read a key by hash and cache its record. Raises KeyInvalid, DatabaseUnavailable."""
        # The database has not answered for so long that a query would only keep callers waiting.
        # A process that stood still has not read either, but none of its reads failed.
        unread_s = self._clock.monotonic() - self._epoch_read_at
        is_gone = not self._epoch_readable and unread_s > self._timing.database_gone_s
        if is_gone and self._epoch >= 0:
            raise self._database.unavailable(UnavailableReason.NOT_ASKED)
        before = self._epoch, self._catalog_changes
        async with self._database.transaction() as session:
            key_record = await find_key_by_hash(session, self._price_book, digest, at)
        if key_record is None:
            raise KeyInvalid("This API key is not valid. Check that it was copied completely.")
        # Do not cache the record if a key or the catalog was changed during the query.
        if before == (self._epoch, self._catalog_changes):
            if len(self._cache) >= _MAX_CACHED_KEYS:
                self._cache.clear()
            self._cache[cache_key] = key_record
        return key_record

    async def _poll_changes(self) -> None:
        """Apply key changes every `epoch_poll_s` seconds until `stop`; log when reading fails."""
        while not self._stopping.is_set():
            try:
                await self._apply_changes()
            except (DatabaseUnavailable, SQLAlchemyError) as error:
                if self._epoch_readable:
                    reason = repr(error.__cause__ or error)
                    self._log.error("the epoch of key changes cannot be read", reason=reason)
                self._epoch_readable = False
            with suppress(TimeoutError):
                async with asyncio.timeout(self._timing.epoch_poll_s):
                    await self._stopping.wait()

    async def _apply_changes(self) -> None:
        """Drop the keys of changed accounts from the cache, and acknowledge the epoch read."""
        # The epoch is as old as the start of the query, not its end.
        started = self._clock.monotonic()
        changes = await read_access_changes(self._epoch_connection, self._epoch)
        if changes.epoch != self._epoch:
            self._invalidate(changes.account_ids)
            self._epoch = changes.epoch
        self._epoch_read_at = started
        if not self._epoch_readable:
            self._log.info("the epoch of key changes can be read again")
        self._epoch_readable = True
        await self._acknowledge()

    async def _acknowledge(self) -> None:
        """Store once in the database that this process has applied the current epoch.

        The next poll tries again if this process is not registered yet.
        """
        applied = self._membership.process_id, self._epoch
        if applied != self._acknowledged and await acknowledge_epoch(
            self._epoch_connection, *applied
        ):
            self._acknowledged = applied

    def _invalidate(self, account_ids: frozenset[UUID] | None) -> None:
        """Drop the cached keys of these accounts, or of all accounts if None.

        Running look-ups may have started before the change, so no later call may join them.
        """
        self._lookups.clear()
        if account_ids is None:
            self._cache.clear()
            return
        stale = [
            cache_key
            for cache_key, key_record in self._cache.items()
            if key_record.principal.account_id in account_ids
        ]
        for cache_key in stale:
            del self._cache[cache_key]


def _parse_bearer_token(credentials: str | None) -> str:
    """Return the API key of an Authorization header. Raises KeyMissing, KeyInvalid."""
    if credentials is None:
        raise KeyMissing("No API key was sent. Send it as `Authorization: Bearer <key>`.")
    scheme, _, secret = credentials.partition(" ")
    secret = secret.strip()
    if scheme.lower() != "bearer" or not secret:
        raise KeyMissing("The Authorization header must be `Bearer <key>`.")
    if secret.startswith(ADMIN_KEY_PREFIX):
        raise KeyInvalid("This is an admin key. This endpoint needs an API key (maas_…).")
    if not is_well_formed(secret):
        raise KeyInvalid("This API key is not valid. Check that it was copied completely.")
    return secret
