"""Create PostgreSQL extensions that the tables need, with clear errors if that is impossible."""

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from infra.errors import AppError


class ExtensionMissing(AppError):
    """The server lacks an extension, or the user may not create it."""

    code = "extension_missing"


def require_extension(connection: Connection, name: str, package: str) -> None:
    """Create an extension if missing. `package` is the package to install on the server.

    Raises ExtensionMissing.
    """
    parameters = {"name": name}
    if connection.scalar(text("select 1 from pg_extension where extname = :name"), parameters):
        return
    if not connection.scalar(
        text("select 1 from pg_available_extensions where name = :name"), parameters
    ):
        raise ExtensionMissing(
            f"The database server does not have the extension {name!r}. Install {package} on it "
            "and start again. Nothing was changed."
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
