"""Stores responses and reads conversations, on the path of a call."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec

from gateway.call.errors import ParameterInvalid
from gateway.quota.process_heartbeat import ProcessHeartbeat
from gateway.responses import rows
from gateway.responses.content import ContentPart, ContentSealer
from gateway.responses.errors import (
    PreviousResponseNotFound,
    ResponseNotFound,
    TooManyResponses,
)
from gateway.tables import SavedResponse
from gateway.wire.responses.items import REFERENCE, Item, listed_items
from gateway.wire.responses.output import RESPONSE_PREFIX, ResponseRef, ResponseStatus
from infra.clock import Clock
from infra.database.database import Database
from infra.secrets.sealer import Sealer

MAX_CONVERSATION_BYTES = 1 << 20
_HEX_DIGITS = 32


@dataclass(frozen=True, slots=True)
class ResponseOwner:
    """The account and the API key that a response belongs to."""

    account_id: UUID
    key_id: UUID


class ResponseStore:
    """Stores the responses of one gateway process; content is encrypted."""

    def __init__(
        self,
        database: Database,
        heartbeat: ProcessHeartbeat,
        sealer: Sealer,
        clock: Clock,
        retention_days: int,
    ) -> None:
        self._database = database
        self._heartbeat = heartbeat
        self._sealer = sealer
        self._clock = clock
        self._retention = timedelta(days=retention_days)

    async def load_conversation(self, account_id: UUID, response_id: str) -> list[Item]:
        """Return the items of a response and of those before it: input and output.

        Raises PreviousResponseNotFound, and ParameterInvalid if it has not ended.
        """
        row = await self._find(account_id, response_id, "previous_response_id")
        if row.status not in (ResponseStatus.COMPLETED, ResponseStatus.INCOMPLETE):
            raise ParameterInvalid(
                f"The response {response_id[:60]!r} has the status {row.status!r}, so it cannot "
                "be continued.",
                param="previous_response_id",
            )
        return self._items_of(row)

    async def resolve_references(self, account_id: UUID, items: Sequence[Item]) -> list[Item]:
        """Return the items with those of stored responses in place of references.

        Raises PreviousResponseNotFound.
        """
        if not any(item["type"] == REFERENCE for item in items):
            return list(items)
        found: dict[str, list[Item]] = {}
        resolved = []
        for number, item in enumerate(items):
            if item["type"] != REFERENCE:
                resolved.append(item)
                continue
            item_id, path = str(item.get("id")), f"input[{number}].id"
            response_id = _response_of(item_id)
            if response_id not in found:
                found[response_id] = self._items_of(await self._find(account_id, response_id, path))
            resolved.append(_item_in(found[response_id], item_id, path))
        return resolved

    async def require_place(self, account_id: UUID) -> None:
        """Raise TooManyResponses if the account has the most stored responses."""
        async with self._database.transaction() as session:
            stored = await rows.count_stored(session, account_id)
        if stored >= rows.MAX_STORED:
            raise TooManyResponses(
                f"The account has {rows.MAX_STORED} stored responses. Delete some of them.",
                param="store",
            )

    def require_size(self, items: Sequence[Item]) -> None:
        """Raise ParameterInvalid if a conversation is too large to be stored or continued."""
        if len(msgspec.json.encode(items)) > MAX_CONVERSATION_BYTES:
            raise ParameterInvalid(
                f"The conversation is larger than {MAX_CONVERSATION_BYTES >> 20} MiB. Start a new "
                "one with a summary of it.",
                param="input",
            )

    def new_row(
        self,
        owner: ResponseOwner,
        ref: ResponseRef,
        items: Sequence[Item],
        response: Mapping[str, Any],
    ) -> SavedResponse:
        """Return the row of a response, with the status of its object."""
        content, now = self.content(owner.account_id), self._clock.now()
        status = ResponseStatus(response["status"])
        listed = listed_items(items, ref.id.hex)
        return SavedResponse(
            id=ref.id,
            account_id=owner.account_id,
            key_id=owner.key_id,
            status=status.value,
            background=response["background"],
            items=content.seal(ref.id, ContentPart.ITEMS, listed),
            response=content.seal(ref.id, ContentPart.RESPONSE, response),
            process_id=None if status.is_final else self._heartbeat.process_id,
            created_at=ref.created_at,
            expires_at=now + self._retention,
        )

    async def insert(self, row: SavedResponse) -> None:
        """Insert a response. Raises DatabaseUnavailable."""
        async with self._database.transaction() as session:
            session.add(row)

    async def end(
        self, account_id: UUID, response_id: UUID, response: Mapping[str, Any] | None, status: str
    ) -> None:
        """Set the final state of a response that was inserted before; nothing if it was deleted."""
        values: dict[str, Any] = {"status": status}
        if response is not None:
            content = self.content(account_id)
            values["response"] = content.seal(response_id, ContentPart.RESPONSE, response)
        async with self._database.transaction() as session:
            await rows.end_response(session, account_id, response_id, values)

    def content(self, account_id: UUID) -> ContentSealer:
        """Return what encrypts and decrypts the account's content."""
        return ContentSealer(self._sealer, account_id)

    async def _find(self, account_id: UUID, response_id: str, path: str) -> SavedResponse:
        """Return a stored response. Raises PreviousResponseNotFound naming the field at `path`."""
        try:
            async with self._database.transaction() as session:
                return await rows.find_response(session, self._clock, account_id, response_id)
        except ResponseNotFound as error:
            raise PreviousResponseNotFound(error.message, param=path) from None

    def _items_of(self, row: SavedResponse) -> list[Item]:
        """Return the input items of a response, then its output."""
        content = self.content(row.account_id)
        output: list[Item] = content.open_response(row.id, row.response)["output"]
        return [*content.open_items(row.id, row.items), *output]


def _response_of(item_id: str) -> str:
    """Return the id of the response in which an item was created; it is a part of the item's."""
    digits = item_id.partition("_")[2][:_HEX_DIGITS]
    return f"{RESPONSE_PREFIX}_{digits}"


def _item_in(items: Sequence[Item], item_id: str, path: str) -> Item:
    """Return the item with an id. Raises PreviousResponseNotFound naming the field at `path`."""
    found = next((item for item in items if item.get("id") == item_id), None)
    if found is None:
        raise PreviousResponseNotFound(f"The item {item_id[:60]!r} does not exist.", param=path)
    return found
