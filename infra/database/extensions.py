"""What of PostgreSQL's extensions our tables need.

Owns having one, and saying what to do where the database has it not. The embedded database has
all of them.
"""

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from infra.errors import AppError


class ExtensionMissing(AppError):
    """The database lacks an extension, or its user may not create it."""

    code = "extension_missing"


def require_extension(connection: Connection, name: str, package: str) -> None:
    """Create the extension unless it is there. `package` is what an operator installs to have it.

    Raises ExtensionMissing.
    """
    known = {"name": name}
    if connection.scalar(text("select 1 from pg_extension where extname = :name"), known):
        return
    if not connection.scalar(
        text("select 1 from pg_available_extensions where name = :name"), known
    ):
        raise ExtensionMissing(
            f"The database server has no extension {name!r}: install {package} on it and start "
            "again. Nothing was changed."
        )
    try:
        with connection.begin_nested():
            connection.exec_driver_sql(f'create extension "{name}"')
    except DBAPIError as error:
        raise ExtensionMissing(
            f"The user of MAAS_DATABASE_URL may not create the extension {name!r}: have an "
            f"administrator run `create extension {name}` in this database and start again. "
            "Nothing was changed."
        ) from error
