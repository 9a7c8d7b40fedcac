"""Files of what agents have learned: the hash stored beside a file, and what a file is bound to."""

import hashlib
from uuid import UUID

from billing.accounts.accounts import ACCOUNT_ID_PREFIX
from gateway.plant.assets.ids import ASSET
from infra import ids


def file_hash(content: bytes) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def asset_binding(account_id: UUID, asset_id: UUID) -> str:
    """Return the account and asset that a file is bound to: elsewhere, the file is refused."""
    return f"{ids.format_id(ACCOUNT_ID_PREFIX, account_id)}/{ids.format_id(ASSET, asset_id)}"
