"""The embedded PostgreSQL: errors for unusable data directories."""

from pathlib import Path

import pytest

from infra.database.embedded_postgres import DataDirectoryBroken, start_postgres


class TestStartPostgres:
    def test_files_of_another_postgresql_version_are_rejected(self, tmp_path: Path) -> None:
        (tmp_path / "PG_VERSION").write_text("13\n")
        with pytest.raises(DataDirectoryBroken, match=r"created by PostgreSQL '13'.*pg_upgrade"):
            start_postgres(tmp_path)

    def test_folder_without_a_database_is_rejected(self, tmp_path: Path) -> None:
        (tmp_path / "holiday.jpg").write_bytes(b"x")
        with pytest.raises(DataDirectoryBroken, match="no PostgreSQL database"):
            start_postgres(tmp_path)

    def test_database_with_missing_files_is_rejected(self, tmp_path: Path) -> None:
        directory = tmp_path / "postgres"
        directory.mkdir(mode=0o700)
        (directory / "PG_VERSION").write_text("18\n")
        with pytest.raises(DataDirectoryBroken, match="cannot start"):
            start_postgres(directory)
