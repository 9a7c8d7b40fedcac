"""Backup and restore functions; complete restores are in tests/processes/test_restore.py."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.engine import make_url

from infra.database.backup import (
    BackupFailed,
    DatabaseNotEmpty,
    backup_file_name,
    create_backup,
    delete_old_backups,
    restore_backup,
)
from infra.database.connect import driver_url
from infra.database.migrate import migrate


@pytest.fixture
def administrator(postgres: str) -> Iterator[Engine]:
    engine = create_engine(driver_url(postgres), isolation_level="AUTOCOMMIT")
    yield engine
    engine.dispose()


@pytest.fixture
def of_a_tenant(postgres: str, administrator: Engine) -> Iterator[str]:
    """An empty database as of a hosting provider: its owner is no superuser and did not create the
    extension."""
    theirs = make_url(postgres).set(database="theirs", username="tenant", password="s3cret/@:")
    with administrator.connect() as connection:
        connection.execute(text("create role tenant login password 's3cret/@:'"))
        connection.execute(text("create database theirs owner tenant"))
        inside = make_url(postgres).set(database="theirs")
        _run(inside.render_as_string(hide_password=False), "create extension vector")
        yield theirs.render_as_string(hide_password=False)
        connection.execute(text("drop database theirs with (force)"))
        connection.execute(text("drop role tenant"))


def _run(url: str, statement: str) -> list[tuple[object, ...]]:
    engine = create_engine(driver_url(url), isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            result = connection.execute(text(statement))
            return [tuple(row) for row in result] if result.returns_rows else []
    finally:
        engine.dispose()


class TestRestoreBackup:
    def test_backup_is_restored_into_a_database_of_a_non_superuser(
        self, postgres: str, of_a_tenant: str, tmp_path: Path
    ) -> None:
        file = tmp_path / "all.dump"
        assert create_backup(postgres, file) == file.stat().st_size
        restore_backup(of_a_tenant, file)
        assert migrate(of_a_tenant) == ()
        tables = "select count(*) from pg_tables where schemaname in ('public', 'jobs')"
        assert _run(of_a_tenant, tables) == _run(postgres, tables)
        with pytest.raises(DatabaseNotEmpty):
            restore_backup(of_a_tenant, file)

    def test_missing_file_raises_backup_failed(self, of_a_tenant: str, tmp_path: Path) -> None:
        with pytest.raises(BackupFailed, match="does not exist"):
            restore_backup(of_a_tenant, tmp_path / "none")


class TestCreateBackup:
    def test_existing_file_is_not_overwritten(self, postgres: str, tmp_path: Path) -> None:
        file = tmp_path / "all.dump"
        file.write_text("last week's")
        with pytest.raises(BackupFailed, match="exists already"):
            create_backup(postgres, file)
        assert file.read_text() == "last week's"

    @pytest.mark.usefixtures("processes")
    def test_failed_backup_leaves_no_file_and_hides_the_password(self, tmp_path: Path) -> None:
        url = "postgresql://maas:hidden@127.0.0.1:9/maas"
        with pytest.raises(BackupFailed, match="pg_dump failed") as caught:
            create_backup(url, tmp_path / "all.dump")
        assert list(tmp_path.iterdir()) == []
        assert "hidden" not in caught.value.message

    def test_missing_folder_raises_backup_failed(self, postgres: str, tmp_path: Path) -> None:
        with pytest.raises(BackupFailed, match="Cannot write"):
            create_backup(postgres, tmp_path / "none" / "all.dump")


def test_delete_old_backups_keeps_the_newest_and_unrelated_files(tmp_path: Path) -> None:
    names = [backup_file_name(f"2026112{day}T010000Z") for day in range(5)]
    for name in (*names, "another.dump"):
        (tmp_path / name).touch()
    delete_old_backups(tmp_path, 2)
    assert {one.name for one in tmp_path.iterdir()} == {*names[-2:], "another.dump"}
