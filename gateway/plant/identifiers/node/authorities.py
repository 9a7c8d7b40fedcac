"""Authorities of a node: prefixes that it signs for, with sealed keys, and their delegations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.plant.identifiers.delegations import (
    Authority,
    DelegationTerms,
    issue_delegation,
    issue_revocation,
    verify_delegation,
)
from gateway.plant.identifiers.errors import PrefixNotOwned, PrefixTaken, StatementUntrusted
from gateway.plant.identifiers.keys import Key, generate_key, load_key
from gateway.plant.identifiers.prefixes import Prefix, parse_prefix
from gateway.tables import NodeAuthority, NodeDelegation
from infra import ids
from infra.clock import Clock
from infra.secrets.sealer import Sealer


@dataclass(frozen=True, slots=True)
class OwnAuthority:
    """A prefix that this node signs for, its chain from the root, and the account that uses it."""

    authority: Authority
    chain: tuple[str, ...] = ()
    account_id: UUID | None = None


async def create_authority(
    session: AsyncSession,
    clock: Clock,
    sealer: Sealer,
    prefix: Prefix,
    *,
    algorithm: str = "Ed25519",
    account_id: UUID | None = None,
) -> OwnAuthority:
    """Create the key of a prefix on this node. Raises PrefixTaken if the prefix has one."""
    await _lock_prefixes(session)
    await _require_free(session, prefix, account_id)
    key = generate_key(algorithm)
    session.add(
        NodeAuthority(
            prefix=prefix.text,
            account_id=account_id,
            kid=key.kid,
            public_key=key.public(),
            sealed_key=_seal(sealer, prefix, key),
            chain=[],
            created_at=clock.now(),
        )
    )
    await session.flush()
    return OwnAuthority(Authority(prefix, key), account_id=account_id)


async def _require_free(session: AsyncSession, prefix: Prefix, account_id: UUID | None) -> None:
    """Raise PrefixTaken if this node has a key for the prefix, or overlaps with an account's."""
    for row in await session.scalars(select(NodeAuthority)):
        if row.prefix == prefix.text:
            raise PrefixTaken(f"This node has a key for `{prefix.text}` already.", param="prefix")
        is_foreign = None not in (row.account_id, account_id) and row.account_id != account_id
        if is_foreign and Prefix(row.prefix).overlaps(prefix):
            raise PrefixTaken(f"`{row.prefix}` belongs to another account.", param="prefix")


class OwnAuthorities:
    """Reads the prefixes of this node; each key is decrypted once."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer
        self._keys: dict[bytes, Key] = {}

    async def read(self, session: AsyncSession) -> Sequence[OwnAuthority]:
        """Return the prefixes of this node, longest first."""
        rows = (await session.scalars(select(NodeAuthority))).all()
        keys = self._keys
        self._keys = {
            row.sealed_key: keys.get(row.sealed_key) or _open_key(row, self._sealer) for row in rows
        }
        own = [_own(row, self._keys[row.sealed_key]) for row in rows]
        return sorted(
            own, key=lambda one: (-len(one.authority.prefix.text), one.authority.prefix.text)
        )


async def get_authority(session: AsyncSession, sealer: Sealer, prefix: Prefix) -> OwnAuthority:
    """Return a prefix of this node. Raises PrefixNotOwned."""
    row = await session.get(NodeAuthority, prefix.text)
    if row is None:
        raise PrefixNotOwned(f"This node has no key for `{prefix.text}`.", param="prefix")
    return _own(row, _open_key(row, sealer))


async def account_authorities(
    session: AsyncSession, sealer: Sealer, account_id: UUID
) -> Sequence[OwnAuthority]:
    """Return the prefixes under which an account registers identifiers."""
    query = select(NodeAuthority).where(col(NodeAuthority.account_id) == account_id)
    return [_own(row, _open_key(row, sealer)) for row in await session.scalars(query)]


async def accept_chain(
    session: AsyncSession,
    clock: Clock,
    prefix: Prefix,
    chain: Sequence[str],
    roots: Sequence[Authority],
) -> None:
    """Store the delegations from a root to a prefix of this node, after verifying them.

    Raises StatementUntrusted if they do not lead from a configured root to this node's key,
    PrefixNotOwned.
    """
    row = await session.get(NodeAuthority, prefix.text)
    if row is None:
        raise PrefixNotOwned(f"This node has no key for `{prefix.text}`.", param="prefix")
    last = verify_chain(chain, prefix, roots, clock.now())
    if last.prefix != prefix or last.key.kid != row.kid:
        raise StatementUntrusted("The chain ends at another prefix or key.", param="chain")
    row.chain = list(chain)


def verify_chain(
    chain: Sequence[str], prefix: Prefix, roots: Sequence[Authority], now: datetime
) -> Authority:
    """Return the authority at the end of a chain of delegations. Raises StatementUntrusted."""
    root = next((one for one in roots if one.prefix.contains(prefix)), None)
    if root is None:
        raise StatementUntrusted(f"No root key is configured for `{prefix.text}`.", param="chain")
    authority = root
    for token in chain:
        authority = verify_delegation(token, authority, now).authority
    return authority


async def delegate(
    session: AsyncSession,
    clock: Clock,
    parent: OwnAuthority,
    child: Authority,
    terms: DelegationTerms | None = None,
) -> NodeDelegation:
    """Delegate a prefix below the parent's to another key.

    The same prefix, key and address again return the existing delegation. Raises PrefixTaken if an
    active delegation of another owner has the prefix, contains it or lies below it.
    """
    await _lock_prefixes(session)
    active = await active_delegations(session, parent.authority.prefix)
    for row in active:
        if (row.prefix, row.kid, row.node) == (child.prefix.text, child.key.kid, child.node):
            return row
        if Prefix(row.prefix).overlaps(child.prefix):
            raise PrefixTaken(
                f"`{row.prefix}` is delegated to another owner. Revoke its key first.",
                param="prefix",
            )
    issued = issue_delegation(parent.authority, child, clock.now(), terms or DelegationTerms())
    row = NodeDelegation(
        id=ids.new_id(),
        parent=parent.authority.prefix.text,
        prefix=child.prefix.text,
        kid=child.key.kid,
        node=issued.authority.node,
        token=issued.token,
        issued_at=issued.issued_at,
        expires_at=issued.expires_at,
    )
    session.add(row)
    await session.flush()
    return row


async def revoke_delegation(
    session: AsyncSession, clock: Clock, parent: OwnAuthority, prefix: Prefix
) -> NodeDelegation:
    """Revoke the key to which a prefix is delegated. Raises PrefixNotOwned if there is none."""
    await _lock_prefixes(session)
    query = select(NodeDelegation).where(
        col(NodeDelegation.parent) == parent.authority.prefix.text,
        col(NodeDelegation.prefix) == prefix.text,
        col(NodeDelegation.revoked_at).is_(None),
    )
    row = (await session.scalars(query)).one_or_none()
    if row is None:
        raise PrefixNotOwned(f"`{prefix.text}` is not delegated.", param="prefix")
    row.revoked_at = clock.now()
    row.revocation = issue_revocation(parent.authority, row.kid, prefix, clock.now())
    return row


async def active_delegations(session: AsyncSession, parent: Prefix) -> Sequence[NodeDelegation]:
    """Return the active delegations of a parent's prefix."""
    query = select(NodeDelegation).where(
        col(NodeDelegation.parent) == parent.text, col(NodeDelegation.revoked_at).is_(None)
    )
    return (await session.scalars(query.order_by(col(NodeDelegation.prefix)))).all()


async def revocations(session: AsyncSession, parent: Prefix) -> Sequence[str]:
    """Return the revocations of a parent's prefix, newest first, at most 100."""
    query = (
        select(col(NodeDelegation.revocation))
        .where(
            col(NodeDelegation.parent) == parent.text, col(NodeDelegation.revocation).is_not(None)
        )
        .order_by(col(NodeDelegation.revoked_at).desc())
        .limit(100)
    )
    return [one for one in await session.scalars(query) if one is not None]


def read_roots(content: bytes) -> Sequence[Authority]:
    """Parse the roots: a JSON list of `{"prefix", "key", "node"}`. Raises StatementUntrusted."""
    try:
        entries = msgspec.json.decode(content, type=list[dict[str, Any]])
    except msgspec.DecodeError:
        raise StatementUntrusted("The file of root keys is not a JSON list.") from None
    return [_root(entry) for entry in entries]


def _root(entry: Mapping[str, Any]) -> Authority:
    """Return the root of an entry."""
    key = entry.get("key")
    return Authority(
        parse_prefix(str(entry.get("prefix"))),
        load_key(key if isinstance(key, dict) else {}),
        str(entry.get("node", "")).rstrip("/"),
    )


def _own(row: NodeAuthority, key: Key) -> OwnAuthority:
    """Return the authority of a row."""
    return OwnAuthority(Authority(Prefix(row.prefix), key), tuple(row.chain), row.account_id)


def _open_key(row: NodeAuthority, sealer: Sealer) -> Key:
    """Return the decrypted key of a row."""
    jwk = msgspec.json.decode(sealer.open_bytes(row.sealed_key, _purpose(Prefix(row.prefix))))
    return load_key(jwk)


def _seal(sealer: Sealer, prefix: Prefix, key: Key) -> bytes:
    """Return the encrypted private key."""
    return sealer.seal_bytes(msgspec.json.encode(key.private()), _purpose(prefix))


def _purpose(prefix: Prefix) -> str:
    """Return the purpose to which a sealed key is bound."""
    return f"node:{prefix.text}"


async def _lock_prefixes(session: AsyncSession) -> None:
    """Serialize changes of prefixes until the end of the transaction: they compare with others."""
    await session.execute(text("select pg_advisory_xact_lock(hashtext('node_prefixes'))"))
