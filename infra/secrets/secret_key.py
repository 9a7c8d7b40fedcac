"""The installation's secret key: it keys the hashes of API keys, and seals what is sealed.

Losing it makes every API key invalid and every second factor too, so it lies in the data directory
beside the database, readable by its owner only.
"""

import os
import secrets
import tempfile
from pathlib import Path

from infra.errors import AppError
from infra.settings import Settings

_FILE = "secret.key"


class SecretUnusable(AppError):
    """The secret key file is there but holds no key of ours."""

    code = "secret_unusable"


def secret_key(settings: Settings) -> bytes:
    """The key from `MAAS_SECRET_KEY`, or from the data directory, made there if absent."""
    if settings.secret_key is not None:
        return settings.secret_key.get_secret_value().encode()
    path = settings.data_dir / _FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    _make_once(path)
    text = path.read_text(encoding="ascii", errors="replace").strip()
    if len(text) < 32:
        raise SecretUnusable(
            f"{_FILE} in the data directory is damaged. Restore it from a backup: without it no "
            "API key that was made before can be checked."
        )
    return text.encode()


def _make_once(path: Path) -> None:
    """Link a complete file into place, so that two processes starting at once agree on one."""
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
