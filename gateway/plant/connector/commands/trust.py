"""Which limits a connector accepts: signed by a known key, for its account and name, not older."""

from collections.abc import Sequence
from pathlib import Path

import structlog

from gateway.plant.commands.documents import read_key, verify_limits
from gateway.plant.commands.errors import CommandLimitsInvalid, CommandLimitsUntrusted
from gateway.plant.commands.values import CommandLimits, Refusal
from gateway.plant.connector.commands.config import CommandsConfig
from gateway.plant.connector.commands.journal import Journal
from gateway.plant.connector.errors import ConnectorConfigInvalid
from gateway.plant.identifiers.keys import Key


def load_owner_keys(config: CommandsConfig) -> Sequence[Key]:
    """Return the owner's public keys. Raises ConnectorConfigInvalid."""
    keys = []
    for name in config.owner_keys:
        try:
            keys.append(read_key(Path(name).read_text("utf-8")))
        except (OSError, ValueError, CommandLimitsUntrusted) as error:
            raise ConnectorConfigInvalid(f"The key {name} cannot be used: {error}.") from None
    return keys


class LimitsVerifier:
    """Verifies the limits that the gateway sends; remembers the newest issue."""

    def __init__(self, account: str, connector: str, keys: Sequence[Key], journal: Journal) -> None:
        self._account = account
        self._connector = connector
        self._keys = keys
        self._journal = journal
        self._log = structlog.get_logger()

    @property
    def key_ids(self) -> list[str]:
        """The thumbprints of the trusted keys."""
        return [key.kid for key in self._keys]

    def verify(self, token: str | None) -> tuple[CommandLimits | None, Refusal | None]:
        """Return the limits of a signed document, or why they cannot be used."""
        if token is None:
            return None, Refusal.LIMITS_MISSING
        try:
            limits = verify_limits(token, self._keys)
        except (CommandLimitsUntrusted, CommandLimitsInvalid) as error:
            self._log.error("limits were refused", error=str(error))
            return None, Refusal.LIMITS_INVALID
        if (limits.account, limits.connector) != (self._account, self._connector):
            self._log.error("limits are of another plant", connector=limits.connector)
            return None, Refusal.LIMITS_INVALID
        newest = self._journal.newest_issue(self._account)
        if newest is not None and limits.issued_at < newest:
            self._log.error("limits were replaced by newer ones", issued=str(limits.issued_at))
            return None, Refusal.LIMITS_INVALID
        if newest is None or limits.issued_at > newest:
            self._journal.set_newest_issue(self._account, limits.issued_at)
        return limits, None
