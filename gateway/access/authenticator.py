"""Authentication: from the `Authorization` header to who calls.

Owns remembering keys, so that a call needs no database round trip, and forgetting them in time:
every `poll_s` the epoch of key changes is read; when it moved, the keys of the accounts that
changed are forgotten, which is acknowledged for whoever waits for it
(gateway/access/propagation.py); and when it could not be read within `trust_s`, nothing remembered
is believed. So a revoked key stops within a second on every gateway process, also when a connection
has silently died.
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

from billing.metering.key_epoch import acknowledge, read_changes
from gateway.access.api_keys import hash_secret
from gateway.access.key_format import well_formed
from gateway.access.key_lookup import KnownKey, find_key, key_by_id
from gateway.access.key_scopes import within
from gateway.access.price_book import Contracts
from gateway.call.errors import (
    NO_RETRY,
    AccountSuspended,
    KeyElsewhere,
    KeyExpired,
    KeyInvalid,
    KeyMissing,
    KeyRevoked,
)
from gateway.call.values import Call, OnBehalf, Principal
from gateway.quota.process_heartbeat import Membership
from infra.clock import Clock
from infra.database.database import Absence, Database, DatabaseUnavailable
from infra.database.direct import DirectConnection
from infra.timing import USUAL, Timing

_REMEMBERED = 50_000


class Authenticator:
    """Checks keys for one gateway process. `start` the polling, `stop` it at the end."""

    def __init__(
        self,
        database: Database,
        reading: DirectConnection,
        membership: Membership,
        contracts: Contracts,
        clock: Clock,
        pepper: bytes,
        *,
        timing: Timing = USUAL,
    ) -> None:
        self._timing = timing
        self._database = database
        self._reading = reading
        self._membership = membership
        self._contracts = contracts
        self._clock = clock
        self._pepper = pepper
        self._known: dict[bytes, KnownKey] = {}
        self._looking: dict[bytes, tuple[float, asyncio.Task[KnownKey]]] = {}
        self._quick = secrets.token_bytes(32)
        self._epoch = -1
        self._acknowledged: tuple[UUID, int] | None = None
        self._checked = float("-inf")
        self._reachable = True
        self._poller: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()
        self._log = structlog.get_logger()

    async def start(self) -> None:
        self._poller = asyncio.create_task(self._poll(), name="access-epoch")

    async def stop(self) -> None:
        # Not cancelled: a connection must not be left in the middle of a transaction.
        self._stopping.set()
        if self._poller is not None:
            await self._poller

    async def identify(self, credentials: str | None, at: datetime | None = None) -> KnownKey:
        """Whose key it is, whatever its state, with its quotas and prices then.

        `require_active` and `require_paying` judge it.

        Raises KeyMissing, KeyInvalid, DatabaseUnavailable.
        """
        at = at or self._clock.now()
        # Remembered under a hash that is quick, good for this process's memory only.
        place = hashlib.blake2b((credentials or "").encode(), key=self._quick).digest()
        known = self._known.get(place) if self.fresh else None
        if known is not None and known.holds_from <= at < known.holds_until:
            return known
        digest = hash_secret(_bearer(credentials), self._pepper)
        return await self._shared(digest, place, at)

    async def identify_call(self, call: Call) -> KnownKey:
        """Of a call: by its credentials, or whom it is made on behalf of. Raises as `identify`."""
        if call.on_behalf is None:
            return await self.identify(call.credentials, call.started_at)
        return await self.identify_key(call.on_behalf, call.started_at)

    async def identify_key(self, by: OnBehalf, at: datetime) -> KnownKey:
        """A key of an account by its id, read anew. Raises KeyInvalid, DatabaseUnavailable."""
        async with self._database.transaction() as session:
            place = by.account_id, by.key_id, at
            known = await key_by_id(session, self._contracts, *place)
        if known is None:
            raise KeyInvalid("The account has no such API key.")
        return known

    def require_active(self, known: KnownKey, address: str | None = None) -> Principal:
        """Who asks, from an address; None for what goes on after its call.

        Raises KeyRevoked, KeyExpired, KeyElsewhere.
        """
        if known.revoked_at is not None:
            raise KeyRevoked("This API key was revoked.")
        if known.expires_at is not None and known.expires_at <= self._clock.now():
            raise KeyExpired("This API key has expired. Use the key that replaced it.")
        if known.networks and address is not None and not within(known.networks, address):
            raise KeyElsewhere(
                f"This API key may not be used from {address or 'an unknown address'}."
            )
        return known.principal

    def require_paying(self, known: KnownKey) -> None:
        """Whether it may call models; its own records an account may always see.

        Raises AccountSuspended.
        """
        if known.suspended_at is not None:
            raise AccountSuspended(
                "The account is suspended because of an unpaid invoice. Pay it, or write to us.",
                headers=NO_RETRY,
            )

    @property
    def fresh(self) -> bool:
        """Whether what is known of keys was just now true; else the database does not answer."""
        return self._clock.monotonic() - self._checked <= self._timing.trust_s

    async def _shared(self, digest: bytes, place: bytes, at: datetime) -> KnownKey:
        """One look-up for all calls that come with the same key at once: a crowd that meets a
        process which has just begun would otherwise queue for the database's few connections."""
        now = self._clock.monotonic()
        began, task = self._looking.get(place, (float("-inf"), None))
        if task is None or now - began > self._timing.epoch_poll_s:
            task = asyncio.create_task(self._look_up(digest, place, at), name="key-look-up")
            self._looking[place] = (now, task)
            task.add_done_callback(partial(self._looked_up, place))
        # Not with the first caller: that one may leave, and the others still want to know.
        known = await asyncio.shield(task)
        if known.holds_from <= at < known.holds_until:
            return known
        return await self._look_up(digest, place, at)

    def _looked_up(self, place: bytes, task: "asyncio.Task[KnownKey]") -> None:
        if self._looking.get(place, (0.0, None))[1] is task:
            del self._looking[place]
        if not task.cancelled():
            task.exception()  # of which nobody may have waited to hear

    async def _look_up(self, digest: bytes, place: bytes, at: datetime) -> KnownKey:
        # Unread for so long, it is taken for gone: a look-up would only keep callers waiting.
        unread_s = self._clock.monotonic() - self._checked
        if unread_s > self._timing.database_gone_s and self._epoch >= 0:
            raise self._database.absent(Absence.NOT_ASKED)
        epoch = self._epoch
        async with self._database.transaction() as session:
            known = await find_key(session, self._contracts, digest, at)
        if known is None:
            raise KeyInvalid("This API key is not valid. Check that it was copied whole.")
        # A change that was committed while we looked must not be hidden by what we remember.
        if epoch == self._epoch:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[place] = known
        return known

    async def _poll(self) -> None:
        while not self._stopping.is_set():
            try:
                await self._check()
            except (DatabaseUnavailable, SQLAlchemyError) as error:
                if self._reachable:
                    reason = repr(error.__cause__ or error)
                    self._log.error("the epoch of key changes cannot be read", reason=reason)
                self._reachable = False
            with suppress(TimeoutError):
                async with asyncio.timeout(self._timing.epoch_poll_s):
                    await self._stopping.wait()

    async def _check(self) -> None:
        # What is read was true when the question was put, not when the answer came.
        asked = self._clock.monotonic()
        changes = await read_changes(self._reading, self._epoch)
        if changes.epoch != self._epoch:
            self._forget(changes.accounts)
            self._epoch = changes.epoch
        self._checked = asked
        if not self._reachable:
            self._log.info("the epoch of key changes is read again")
        self._reachable = True
        await self._acknowledge()

    async def _acknowledge(self) -> None:
        """Report the changes that are applied; again at the next poll where this process is not
        registered yet."""
        applied = self._membership.process_id, self._epoch
        if applied != self._acknowledged and await acknowledge(self._reading, *applied):
            self._acknowledged = applied

    def _forget(self, accounts: frozenset[UUID] | None) -> None:
        """What is remembered of these accounts' keys; of all where it is None. A look-up that began
        before the change may still miss it, so no later call joins one."""
        self._looking.clear()
        if accounts is None:
            self._known.clear()
            return
        known = self._known.items()
        for place in [place for place, one in known if one.principal.account_id in accounts]:
            del self._known[place]


def _bearer(credentials: str | None) -> str:
    if credentials is None:
        raise KeyMissing("No API key was sent. Send it as `Authorization: Bearer <key>`.")
    scheme, _, secret = credentials.partition(" ")
    secret = secret.strip()
    if scheme.lower() != "bearer" or not secret:
        raise KeyMissing("The Authorization header must be `Bearer <key>`.")
    if not well_formed(secret):
        raise KeyInvalid("This API key is not valid. Check that it was copied whole.")
    return secret
