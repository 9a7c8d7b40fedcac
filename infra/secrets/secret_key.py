"""The installation's secret key, for the HMAC of API keys and the encryption of stored values.

Without it every API key and second factor is invalid. It is stored owner-only in the data
directory, beside the database.
"""

import os
import secrets
import tempfile
from pathlib import Path

from infra.errors import AppError
from infra.settings import Settings

_FILE = "secret.key"


class SecretUnusable(AppError):
    """The secret key file exists but contains no valid key."""

    code = "secret_unusable"


def secret_key(settings: Settings) -> bytes:
    """Return the key from `MAAS_SECRET_KEY` or the data directory, where it is created if missing.

    Raises SecretUnusable.
    """
    if settings.secret_key is not None:
        return settings.secret_key.get_secret_value().encode()
    path = settings.data_dir / _FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    _create_key_file(path)
    text = path.read_text(encoding="ascii", errors="replace").strip()
    if len(text) < 32:
        raise SecretUnusable(
            f"{_FILE} in the data directory is damaged. Restore it from a backup: without it, "
            "existing API keys cannot be verified."
        )
    return text.encode()


def _create_key_file(path: Path) -> None:
    """Create the key file atomically, so that processes starting at once use the same key."""
    if path.exists():
        return
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")
    draft = Path(name)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secrets.token_hex(32))
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
