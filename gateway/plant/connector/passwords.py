"""Passwords of brokers and servers: from a file, or from an environment variable, by name."""

from collections.abc import Mapping
from pathlib import Path

from gateway.plant.connector.errors import ConnectorConfigInvalid


def read_password(
    file: str | None, variable: str | None, environment: Mapping[str, str], owner: str
) -> str | None:
    """Return a password, or None if neither is named. Raises ConnectorConfigInvalid.

    owner: whose password it is, for the error, such as `the broker`.
    """
    if file is not None:
        try:
            return Path(file).read_text("utf-8").strip()
        except (OSError, ValueError) as error:
            raise ConnectorConfigInvalid(f"The password cannot be read: {error}.") from None
    if variable is None:
        return None
    if not environment.get(variable):
        raise ConnectorConfigInvalid(f"Set {variable} to the password of {owner}.")
    return environment[variable]
