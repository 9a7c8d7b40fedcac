"""Run the Alembic migrations that bring the database to this version's schema.

Runs under an advisory lock, so that processes starting at once migrate once. Expand and contract:
steps that older gateways tolerate run first; steps that remove what they use (`contract = True` in
the revision) run when none is left. The revisions are in infra/migrations/versions/.
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
_ADVISORY_LOCK_ID = 0x6D616173  # "maas"
# A step that waits for a table lock blocks all later queries, so it fails early and is retried.
_LOCK_TIMEOUT = "5s"
# Lock timeout; or a deadlock of a step that changes several tables with concurrent writers.
_LOCK_SQLSTATES = ("55P03", "40P01")


class SchemaNewer(AppError):
    """The database was migrated by a newer version of this software."""

    code = "schema_newer"


class ContractPending(AppError):
    """A contract step precedes an expand step that this version needs."""

    code = "contract_pending"


class MigrationBlocked(AppError):
    """A step could not lock a table in time and was not applied."""

    status = 503
    code = "migration_blocked"


class DatabaseUnreachable(AppError):
    """PostgreSQL does not accept connections."""

    status = 503
    code = "database_unreachable"


def migrate(url: str, *, contract: bool = False, scripts: Path = _SCRIPTS) -> tuple[str, ...]:
    """Apply the missing migrations; unless `contract`, stop before those breaking older gateways.

    Returns the deferred revisions. An empty database gets all revisions. Raises SchemaNewer,
    ContractPending, MigrationBlocked, DatabaseUnreachable.
    """
    engine = create_engine(driver_url(url), connect_args={"connect_timeout": 10})
    try:
        with engine.connect() as connection:
            connection.execute(text("select pg_advisory_lock(:lock)"), {"lock": _ADVISORY_LOCK_ID})
            connection.execute(text(f"set lock_timeout = '{_LOCK_TIMEOUT}'"))
            connection.commit()
            return _upgrade(connection, _alembic_config(scripts), contract)
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) in _LOCK_SQLSTATES:
            raise MigrationBlocked(
                "A table was locked for too long, so a migration step was not applied. Earlier "
                "steps were applied. Run `maas migrate` again."
            ) from error
        raise DatabaseUnreachable(
            "Cannot connect to PostgreSQL. Check MAAS_DATABASE_URL and that the server is running."
        ) from error
    finally:
        # Closing the connection also releases the advisory lock.
        engine.dispose()


def newest_revision() -> str | None:
    """Return the head revision of this version of the software."""
    return alembic.script.ScriptDirectory.from_config(_alembic_config(_SCRIPTS)).get_current_head()


def _upgrade(connection: Connection, config: "Config", contract: bool) -> tuple[str, ...]:
    """Apply the missing migrations; return the deferred ones, none if `contract`."""
    config.attributes["connection"] = connection
    try:
        current_revision = alembic.migration.MigrationContext.configure(
            connection
        ).get_current_revision()
        # Otherwise all steps would share one transaction and hold their locks to the end.
        connection.commit()
        if current_revision and _is_of_last_file(config, current_revision):
            return ()
        missing_steps = _missing_revisions(config, current_revision)
        deferred = (
            () if contract or current_revision is None else _deferred_contract_steps(missing_steps)
        )
        applicable = missing_steps[: len(missing_steps) - len(deferred)]
        if applicable:
            alembic.command.upgrade(config, applicable[-1].revision)
    except (alembic.util.CommandError, alembic.script.revision.RevisionError) as error:
        raise SchemaNewer(
            "The database was migrated by a newer version of this software. Run that version, or "
            "restore a backup from before the upgrade."
        ) from error
    connection.commit()
    return tuple(step.revision for step in deferred)


def _is_of_last_file(config: "Config", revision: str) -> bool:
    """Return whether a revision is the last by the numbers of the files (`0077_agents.py`).

    Alembic would import all files for that, a third of the time of a short command.
    """
    folder = Path(str(config.get_main_option("script_location"))) / "versions"
    last = max((file.stem for file in folder.glob("[0-9]*.py")), default="")
    return last.split("_", maxsplit=1)[0] == revision


def _missing_revisions(config: "Config", current_revision: str | None) -> "tuple[Script, ...]":
    """Return the revisions after `current_revision` (None: all of them), oldest first."""
    steps = alembic.script.ScriptDirectory.from_config(config).iterate_revisions(
        "head", current_revision or "base"
    )
    return tuple(reversed(tuple(steps)))


def _deferred_contract_steps(steps: "tuple[Script, ...]") -> "tuple[Script, ...]":
    """Return the missing migrations from the first on that breaks older gateways.

    Raises ContractPending if one of them is not a contract step.
    """
    first = next((n for n, step in enumerate(steps) if _is_contract_step(step)), len(steps))
    deferred = steps[first:]
    if not all(map(_is_contract_step, deferred)):
        raise ContractPending(
            f"This version needs migrations that come after {deferred[0].revision}, which breaks "
            "running gateways. Upgrade to the intermediate version first, or stop all gateways and "
            "workers and run `maas migrate --contract`."
        )
    return deferred


def _is_contract_step(step: "Script") -> bool:
    """Return whether a migration breaks older gateways by a removal (`contract = True`)."""
    return bool(getattr(step.module, "contract", False))


def _alembic_config(script_folder: Path) -> "Config":
    """Return the Alembic configuration for the migrations in `script_folder`."""
    config = alembic.config.Config()
    config.set_main_option("script_location", str(script_folder))
    return config
