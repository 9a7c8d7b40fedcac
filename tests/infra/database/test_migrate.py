"""Migrations: the migrated schema equals the declared tables, also with concurrent runs."""

import re
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import IntegrityError
from sqlmodel import SQLModel

import infra
from infra.database.connect import driver_url
from infra.database.migrate import (
    ContractPending,
    DatabaseUnreachable,
    MigrationBlocked,
    SchemaNewer,
    migrate,
    newest_revision,
)
from infra.settings import SettingsInvalid
from tests.support.nightly import nightly


@pytest.fixture
def empty_database(postgres: str) -> Iterator[str]:
    admin = create_engine(driver_url(postgres), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text("create database empty"))
        yield make_url(postgres).set(database="empty").render_as_string(hide_password=False)
        connection.execute(text("drop database empty with (force)"))
    admin.dispose()


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    """A separate connection, committed at the end."""
    engine = create_engine(driver_url(url))
    try:
        with engine.connect() as connection:
            yield connection
            connection.commit()
    finally:
        engine.dispose()


class TestMigrate:
    def test_migrated_schema_equals_the_declared_tables(self, postgres: str) -> None:
        engine = create_engine(driver_url(postgres))
        with engine.connect() as connection:
            context = MigrationContext.configure(connection)
            assert compare_metadata(context, SQLModel.metadata) == []
            assert context.get_current_revision() == newest_revision()
        engine.dispose()

    def test_concurrent_migrations_of_one_database_succeed(self, empty_database: str) -> None:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(migrate, [empty_database] * 4))

    def test_newer_schema_raises_schema_newer(self, empty_database: str, tmp_path: Path) -> None:
        migrate(empty_database, scripts=release(tmp_path, ("9999", "select 1", False)))
        engine = create_engine(driver_url(empty_database))
        with engine.begin() as connection:
            found = connection.execute(text("select version_num from alembic_version"))
            assert found.scalar_one() == "9999"
        engine.dispose()
        with pytest.raises(SchemaNewer, match="newer version"):
            migrate(empty_database)

    def test_unreachable_server_raises_database_unreachable(self) -> None:
        with pytest.raises(DatabaseUnreachable, match="MAAS_DATABASE_URL"):
            migrate("postgresql://nobody@127.0.0.1:9/none")

    @pytest.mark.parametrize("url", ["nonsense", "mysql://x/y", "sqlite:///x.db"])
    def test_url_of_another_database_kind_raises_settings_invalid(self, url: str) -> None:
        with pytest.raises(SettingsInvalid, match="MAAS_DATABASE_URL"):
            migrate(url)


# A tagged call of 3 rows and its totals, as before the meter of images existed.
_BEFORE = """
    insert into account (id, name, currency, created_at)
    values (gen_random_uuid(), 'Acme', 'CNY', now());
    insert into usage (request_id, account_id, operation, model, streamed, settlement, status, rows,
        cost_nano, currency, started_at, duration_us, tags)
    select gen_random_uuid(), id, 'predictions', 'm', false, 'complete', 200, 3, 3000, 'CNY', now(),
        1, '{"order": "7"}' from account;
    insert into usage_total (period_id, hour, model, plan_version_id, key_id, operation, settlement,
        late, account_id, calls, input_tokens, cached_input_tokens, output_tokens, rows, cost_nano)
    select id, date_trunc('hour', now()), 'm', id, id, 'predictions', 'complete', false, id, 1, 0,
        0, 0, 3, 3000 from account;
    insert into usage_tag_total (period_id, tag, value, model, plan_version_id, late, account_id,
        calls, input_tokens, cached_input_tokens, output_tokens, rows, cost_nano)
    select id, 'order', '7', 'm', id, false, id, 1, 0, 0, 0, 3, 3000 from account;
"""


@nightly
class TestMeterColumnsMigration:
    """Migration 0008 adds meters of images and adaptation seconds to existing tables."""

    TABLES = ("usage", "usage_total", "usage_tag_total")

    def step(self, url: str, to: Callable[[Config, str], None], revision: str) -> None:
        config = Config()
        config.set_main_option("script_location", str(Path(infra.__file__).parent / "migrations"))
        with connected(url) as connection:
            config.attributes["connection"] = connection
            to(config, revision)

    def run(self, url: str, statement: str) -> list[Any]:
        with connected(url) as connection:
            result = connection.exec_driver_sql(statement)
            return [tuple(row) for row in result] if result.returns_rows else []

    def kept(self, url: str) -> list[Any]:
        """All rows without the new meters and without columns of later migrations."""
        new = (
            "'{images,adaptation_seconds,parent_id,error_message,error_param,requested_model,"
            "service_tier,upstream,upstream_cost_nano,reasoning_tokens,project_id,readings}'::text[]"
        )
        return [self.run(url, f"select to_jsonb(t) - {new} from {of} t") for of in self.TABLES]

    def test_existing_rows_survive_upgrade_and_downgrade(self, empty_database: str) -> None:
        self.step(empty_database, command.upgrade, "0007")
        self.run(empty_database, _BEFORE)
        before = self.kept(empty_database)
        assert [len(rows) for rows in before] == [1, 1, 1]
        for _ in range(2):
            migrate(empty_database)
            assert self.kept(empty_database) == before
            new = [
                self.run(empty_database, f"select images, adaptation_seconds from {table}")
                for table in self.TABLES
            ]
            assert new == [[(None, None)], [(0, 0)], [(0, 0)]]
            self.step(empty_database, command.downgrade, "0007")
            assert self.kept(empty_database) == before

    def test_write_of_the_previous_release_without_images_is_rejected(
        self, empty_database: str
    ) -> None:
        """A worker of the previous release would write totals without their images."""
        migrate(empty_database)
        with pytest.raises(IntegrityError, match="images"):
            self.run(empty_database, _BEFORE)


_STEP = """
from alembic import op
from tests.support.nightly import nightly

revision, down_revision = {name!r}, {before!r}
branch_labels = depends_on = None
{flag}

def upgrade():
    op.execute({statement!r})
"""
_ADDS_A = ("a", "create table thing (old int)", False)
_ADDS_B = ("b", "alter table thing add new int", False)
_TAKES_C = ("c", "alter table thing drop old", True)
_ADDS_D = ("d", "alter table thing add newer int", False)


def release(folder: Path, *steps: tuple[str, str, bool]) -> Path:
    versions = folder / "versions"
    versions.mkdir(exist_ok=True)
    shutil.copy(Path(infra.__file__).parent / "migrations" / "env.py", folder)
    before = None
    for name, statement, contract in steps:
        flag = f"contract = {contract}"
        text_ = _STEP.format(name=name, before=before, flag=flag, statement=statement)
        (versions / f"{name}.py").write_text(text_)
        before = name
    return folder


class TestExpandThenContract:
    """A synthetic history of migrations, in releases that each add some."""

    def columns(self, url: str) -> set[str]:
        with connected(url) as connection:
            found = connection.execute(
                text("select column_name from information_schema.columns where table_name = :t"),
                {"t": "thing"},
            )
            return {row[0] for row in found}

    def test_removing_steps_run_only_with_contract(
        self, empty_database: str, tmp_path: Path
    ) -> None:
        scripts = release(tmp_path, _ADDS_A)
        assert migrate(empty_database, scripts=scripts) == ()
        release(tmp_path, _ADDS_A, _ADDS_B, _TAKES_C)
        for _ in range(2):  # repeated by any command of the new version
            assert migrate(empty_database, scripts=scripts) == ("c",)
            assert self.columns(empty_database) == {"old", "new"}
        assert migrate(empty_database, contract=True, scripts=scripts) == ()
        assert self.columns(empty_database) == {"new"}

    def test_empty_database_runs_all_steps_at_once(
        self, empty_database: str, tmp_path: Path
    ) -> None:
        scripts = release(tmp_path, _ADDS_A, _ADDS_B, _TAKES_C, _ADDS_D)
        assert migrate(empty_database, scripts=scripts) == ()
        assert self.columns(empty_database) == {"new", "newer"}

    def test_skipped_release_raises_contract_pending(
        self, empty_database: str, tmp_path: Path
    ) -> None:
        scripts = release(tmp_path, _ADDS_A)
        migrate(empty_database, scripts=scripts)
        release(tmp_path, _ADDS_A, _ADDS_B, _TAKES_C, _ADDS_D)
        with pytest.raises(ContractPending, match="migrations that come after c"):
            migrate(empty_database, scripts=scripts)
        assert self.columns(empty_database) == {"old"}

    def test_blocked_step_raises_after_the_lock_timeout_and_keeps_earlier_steps(
        self, empty_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("infra.database.migrate._LOCK_TIMEOUT", "100ms")
        scripts = release(tmp_path, _ADDS_A)
        migrate(empty_database, scripts=scripts)
        other = ("other", "create table other (x int)", False)
        release(tmp_path, _ADDS_A, other, _ADDS_B)
        with connected(empty_database) as reader:
            reader.execute(text("select * from thing"))
            with pytest.raises(MigrationBlocked):
                migrate(empty_database, scripts=scripts)
            # Each step is a transaction, so no lock is held while the next one waits.
            assert reader.scalar(text("select to_regclass('other')")) is not None
        assert migrate(empty_database, scripts=scripts) == ()
        assert self.columns(empty_database) == {"old", "new"}


class TestMigrationFiles:
    """Since the first release, migrations that drop or rename are marked as contract."""

    # Before this migration, gateways of two versions did not run together.
    BEFORE = 17
    TAKES_AWAY = re.compile(
        r"op\.(drop_table|drop_column|rename_table)|new_column_name|drop column"
    )

    def test_each_removing_migration_is_marked_as_contract(self) -> None:
        folder = Path(infra.__file__).parent / "migrations" / "versions"
        for file in sorted(folder.glob("[0-9]*.py")):
            body = file.read_text().partition("def upgrade")[2].partition("def downgrade")[0]
            if int(file.name[:4]) > self.BEFORE and self.TAKES_AWAY.search(body):
                assert "\ncontract = True" in file.read_text(), file.name

    def test_newest_revision_has_the_highest_number_of_the_files(self) -> None:
        folder = Path(infra.__file__).parent / "migrations" / "versions"
        files = sorted(folder.glob("[0-9]*.py"))
        for file in files:
            lines = file.read_text().splitlines()
            assert f'revision = "{file.name[:4]}"' in lines, file.name
        assert newest_revision() == files[-1].name[:4]
