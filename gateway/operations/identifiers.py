"""An account's identifiers: registration with an audit log entry, listing, versions and labels.

API, pages and CLI call the same functions.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from gateway.identity.audit_log import Actor, record_audit_event
from gateway.plant.identifiers.codes import parse_identifier
from gateway.plant.identifiers.errors import PrefixNotOwned
from gateway.plant.identifiers.labels import Label, LabelSheet, make_labels, render_labels
from gateway.plant.identifiers.node.answers import authority_json
from gateway.plant.identifiers.node.authorities import OwnAuthority, account_authorities
from gateway.plant.identifiers.node.records import (
    Registrar,
    list_records,
    record_versions,
    require_registered,
    signed_record,
)
from gateway.plant.identifiers.registration import LineResult, parse_lines, stored_fields
from gateway.tables import NodeRecord
from infra.clock import Clock
from infra.database.database import Database
from infra.secrets.sealer import Sealer


@dataclass(frozen=True, slots=True)
class IdentifierService:
    """Identifiers under the prefixes that operators assigned to accounts.

    `node_url` is the address of the node that labels contain, None for the identifier alone.
    """

    database: Database
    clock: Clock
    sealer: Sealer
    node_url: str | None = None

    async def prefixes(self, account_id: UUID) -> list[dict[str, Any]]:
        """Return the account's prefixes with public keys and chains."""
        return [authority_json(one.authority, one.chain) for one in await self._owners(account_id)]

    async def register(self, actor: Actor, account_id: UUID, body: bytes) -> Sequence[LineResult]:
        """Register JSON lines. Raises RecordInvalid, PrefixNotOwned without a prefix."""
        owners = await self._owners(account_id)
        if not owners:
            raise PrefixNotOwned("The account has no prefix. Ask the operator to assign one.")
        lines = await asyncio.to_thread(lambda: list(parse_lines(body)))
        async with self.database.transaction() as session:
            results = await Registrar(owners, self.clock).register(session, lines)
            changed = sum(one.status in ("created", "updated") for one in results)
            if changed:
                place = (session, self.clock, actor, account_id, "identifiers.registered")
                name = next(one.id for one in results if one.status in ("created", "updated"))
                await record_audit_event(*place, name[:100], {"records": changed})
        return results

    async def list_page(
        self, account_id: UUID, limit: int, after: str | None = None, text: str = ""
    ) -> Sequence[NodeRecord]:
        """Return the newest versions of the account's records."""
        async with self.database.transaction() as session:
            return await list_records(session, account_id, limit, after, text)

    async def versions(self, account_id: UUID, identifier: str) -> Sequence[NodeRecord]:
        """Return all versions of a record, newest first. Raises IdentifierNotFound."""
        parsed = parse_identifier(identifier)
        async with self.database.transaction() as session:
            return await record_versions(session, account_id, parsed)

    async def labels(
        self,
        account_id: UUID,
        identifiers: Sequence[str],
        texts: Sequence[str],
        symbology: str,
        columns: int,
        rows: int,
    ) -> bytes:
        """Return labels of the account's identifiers as PDF.

        Raises IdentifierNotFound for one that is not registered, LabelsInvalid.
        """
        sheet = LabelSheet(self.clock.now().date(), symbology, columns, rows)
        drafts: Sequence[Label] = make_labels(identifiers, texts, self.node_url)
        names = [label.identifier.text for label in drafts]
        async with self.database.transaction() as session:
            await require_registered(session, account_id, names)
        return await asyncio.to_thread(render_labels, drafts, sheet)

    async def _owners(self, account_id: UUID) -> Sequence[OwnAuthority]:
        """Return the account's prefixes."""
        async with self.database.transaction() as session:
            return await account_authorities(session, self.sealer, account_id)


def record_json(row: NodeRecord) -> dict[str, Any]:
    """Return a version of a record with all fields, for its owner."""
    fields = stored_fields(signed_record(row))
    return {
        "object": "identifier",
        "id": row.identifier,
        "version": row.version,
        "status": "withdrawn" if row.withdrawn else "active",
        "ttl": row.ttl_s,
        "fields": {
            name: {"value": one.value, "access": one.access.value} for name, one in fields.items()
        },
        "created_at": int(row.created_at.timestamp()),
    }
