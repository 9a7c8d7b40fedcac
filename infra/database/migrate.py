"""Migrations: bring the database to the schema that this version needs.

Owns running Alembic under an advisory lock, so that several processes starting at once migrate
once; and the order in an upgrade: first what adds (older gateways go on beside it), then, when no
older one is left, what takes away. A step that takes away says `contract = True`. The steps
themselves are in infra/migrations/versions/.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import OperationalError

from infra.database.connect import driver_url
from infra.errors import AppError
from infra.lazy_import import LazyModule

if TYPE_CHECKING:
    import alembic.command
    import alembic.config
    import alembic.migration
    import alembic.script
    import alembic.util
    from alembic.config import Config
    from alembic.script import Script
else:
    alembic = LazyModule("alembic")

_SCRIPTS = Path(__file__).parents[1] / "migrations"
_LOCK = 0x6D616173  # "maas"; any number that no other program takes in this database
# A step that waits for a table has all calls wait behind it: better it is tried again.
_PATIENCE = "5s"
# Locked for too long; or a deadlock, of a step that changes several tables with calls that write.
_LOCKED = ("55P03", "40P01")


class SchemaNewer(AppError):
    """The database was migrated by a newer version of this software."""

    code = "schema_newer"


class ContractPending(AppError):
    """A step that takes away stands before one that this version needs."""

    code = "contract_pending"


class MigrationBlocked(AppError):
    """Others held a table for so long that the step was given up, lest calls wait behind it."""

    status = 503
    code = "migration_blocked"


class DatabaseUnreachable(AppError):
    """PostgreSQL did not accept a connection at the start."""

    status = 503
    code = "database_unreachable"


def migrate(url: str, *, contract: bool = False, scripts: Path = _SCRIPTS) -> tuple[str, ...]:
    """Take the steps that are missing; without `contract` only those that older gateways do not
    notice. What takes away is then left for later; its revisions are returned. An empty database
    has no older gateways, and gets everything.

    Raises SchemaNewer, ContractPending, MigrationBlocked, DatabaseUnreachable.
    """
    engine = create_engine(driver_url(url), connect_args={"connect_timeout": 10})
    try:
        with engine.connect() as connection:
            connection.execute(text("select pg_advisory_lock(:lock)"), {"lock": _LOCK})
            connection.execute(text(f"set lock_timeout = '{_PATIENCE}'"))
            connection.commit()
            return _upgrade(connection, _config(scripts), contract)
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) in _LOCKED:
            raise MigrationBlocked(
                "A table that a step changes was in use for too long. The steps before it were "
                "taken; run the migration again."
            ) from error
        raise DatabaseUnreachable(
            "PostgreSQL cannot be reached: check MAAS_DATABASE_URL and that the server runs."
        ) from error
    finally:
        # Closing the connection also gives the lock back.
        engine.dispose()


def newest_revision() -> str | None:
    """The revision that this version of the software brings the database to."""
    return alembic.script.ScriptDirectory.from_config(_config(_SCRIPTS)).get_current_head()


def _upgrade(connection: Connection, config: "Config", contract: bool) -> tuple[str, ...]:
    config.attributes["connection"] = connection
    try:
        now = alembic.migration.MigrationContext.configure(connection).get_current_revision()
        # Or all steps would be one transaction, and hold what each has locked until the last.
        connection.commit()
        missing = _missing(config, now)
        kept = () if contract or now is None else _from_first_contract(missing)
        wanted = missing[: len(missing) - len(kept)]
        if wanted:
            alembic.command.upgrade(config, wanted[-1].revision)
    except (alembic.util.CommandError, alembic.script.revision.RevisionError) as error:
        raise SchemaNewer(
            "The database was written by a newer version of this software. Run that version, or "
            "restore a backup made before the upgrade."
        ) from error
    connection.commit()
    return tuple(step.revision for step in kept)


def _missing(config: "Config", now: str | None) -> "tuple[Script, ...]":
    """The steps after this revision, oldest first."""
    steps = alembic.script.ScriptDirectory.from_config(config).iterate_revisions(
        "head", now or "base"
    )
    return tuple(reversed(tuple(steps)))


def _from_first_contract(steps: "tuple[Script, ...]") -> "tuple[Script, ...]":
    """Those that have to wait. Raises ContractPending where one of them adds something."""
    first = next((n for n, step in enumerate(steps) if _takes_away(step)), len(steps))
    waiting = steps[first:]
    if not all(map(_takes_away, waiting)):
        raise ContractPending(
            f"Step {waiting[0].revision} takes away what older gateways use, and a later one adds "
            "what this version needs. Upgrade to the version between first; or stop all gateways "
            "and workers, and run `maas migrate --contract`."
        )
    return waiting


def _takes_away(step: "Script") -> bool:
    return bool(getattr(step.module, "contract", False))


def _config(scripts: Path) -> "Config":
    config = alembic.config.Config()
    config.set_main_option("script_location", str(scripts))
    return config
