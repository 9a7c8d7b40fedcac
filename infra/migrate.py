"""Migrations: bring the database to the schema that this version needs, at every start.

Owns running Alembic under an advisory lock, so that several gateways starting at once migrate
once. The steps themselves are in infra/migrations/versions/.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import OperationalError

from infra.connecting import driver_url
from infra.errors import AppError

_SCRIPTS = Path(__file__).with_name("migrations")
_LOCK = 0x6D616173  # "maas"; any number that no other program takes in this database


class SchemaNewer(AppError):
    """The database was migrated by a newer version of this software."""

    code = "schema_newer"


class DatabaseUnreachable(AppError):
    """PostgreSQL did not accept a connection at the start."""

    status = 503
    code = "database_unreachable"


def migrate(url: str) -> None:
    """Upgrade to the newest revision; does nothing where it is there already.

    Raises SchemaNewer, DatabaseUnreachable.
    """
    engine = create_engine(driver_url(url), connect_args={"connect_timeout": 10})
    try:
        with engine.connect() as connection:
            connection.execute(text("select pg_advisory_lock(:lock)"), {"lock": _LOCK})
            connection.commit()
            _upgrade(connection)
    except OperationalError as error:
        raise DatabaseUnreachable(
            "PostgreSQL cannot be reached: check MAAS_DATABASE_URL and that the server runs."
        ) from error
    finally:
        # Closing the connection also gives the lock back.
        engine.dispose()


def newest_revision() -> str | None:
    """The revision that this version of the software brings the database to."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def _upgrade(connection: Connection) -> None:
    config = _config()
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise SchemaNewer(
            "The database was written by a newer version of this software. Run that version, or "
            "restore a backup made before the upgrade."
        ) from error
    connection.commit()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    return config
