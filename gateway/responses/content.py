"""The encrypted content of stored responses and their events: what customers and models wrote.

Each part is bound to its response and account, so that it cannot be read in another row.
"""

import zlib
from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec

from gateway.wire.responses.items import Item
from infra.secrets.sealer import Sealer


class ContentPart(StrEnum):
    """The encrypted columns of a stored response."""

    ITEMS = "items"
    RESPONSE = "response"
    REQUEST = "request"


class ContentSealer:
    """Encrypts and decrypts the content of one account's stored responses as JSON."""

    def __init__(self, sealer: Sealer, account_id: UUID) -> None:
        self._sealer = sealer
        self._account_id = account_id

    def seal(self, response_id: UUID, part: ContentPart, value: object) -> bytes:
        """Encrypt a value for a column of a response."""
        text = msgspec.json.encode(value).decode()
        return self._sealer.seal(text, self._purpose(response_id, part))

    def open(self, response_id: UUID, part: ContentPart, sealed: bytes) -> Any:
        """Decrypt a column of a response. Raises SealBroken."""
        return msgspec.json.decode(self._sealer.open(sealed, self._purpose(response_id, part)))

    def open_items(self, response_id: UUID, sealed: bytes) -> list[Item]:
        """Decrypt the input items of a response. Raises SealBroken."""
        items: list[Item] = self.open(response_id, ContentPart.ITEMS, sealed)
        return items

    def open_response(self, response_id: UUID, sealed: bytes) -> dict[str, Any]:
        """Decrypt the object of a response. Raises SealBroken."""
        response: dict[str, Any] = self.open(response_id, ContentPart.RESPONSE, sealed)
        return response

    def seal_events(self, response_id: UUID, first_number: int, events: bytes) -> bytes:
        """Compress and encrypt events that begin with this number."""
        return self._sealer.seal_bytes(
            zlib.compress(events), self._events(response_id, first_number)
        )

    def open_events(self, response_id: UUID, first_number: int, sealed: bytes) -> bytes:
        """Decrypt events. Raises SealBroken."""
        purpose = self._events(response_id, first_number)
        return zlib.decompress(self._sealer.open_bytes(sealed, purpose))

    def _events(self, response_id: UUID, first_number: int) -> str:
        """Return what events are bound to, by the number of the first one."""
        return f"response:{self._account_id.hex}:{response_id.hex}:events:{first_number}"

    def _purpose(self, response_id: UUID, part: ContentPart) -> str:
        """Return what the content is bound to."""
        return f"response:{self._account_id.hex}:{response_id.hex}:{part.value}"
