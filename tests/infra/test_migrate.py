"""Migrations: they give exactly the tables that the code declares, once, whoever runs them."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url
from sqlmodel import SQLModel

from infra.connecting import driver_url
from infra.migrate import DatabaseUnreachable, SchemaNewer, migrate, newest_revision
from infra.settings import SettingsInvalid


@pytest.fixture
def empty_database(postgres: str) -> Iterator[str]:
    admin = create_engine(driver_url(postgres), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text("create database empty"))
        yield make_url(postgres).set(database="empty").render_as_string(hide_password=False)
        connection.execute(text("drop database empty with (force)"))
    admin.dispose()


class TestMigrate:
    def test_gives_the_tables_that_the_code_declares(self, postgres: str) -> None:
        engine = create_engine(driver_url(postgres))
        with engine.connect() as connection:
            context = MigrationContext.configure(connection)
            assert compare_metadata(context, SQLModel.metadata) == []
            assert context.get_current_revision() == newest_revision()
        engine.dispose()

    def test_several_at_once(self, empty_database: str) -> None:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(migrate, [empty_database] * 4))

    def test_a_newer_schema_is_left_alone(self, empty_database: str) -> None:
        migrate(empty_database)
        engine = create_engine(driver_url(empty_database))
        with engine.begin() as connection:
            connection.execute(text("update alembic_version set version_num = '9999'"))
        engine.dispose()
        with pytest.raises(SchemaNewer, match="newer version"):
            migrate(empty_database)

    def test_no_server(self) -> None:
        with pytest.raises(DatabaseUnreachable, match="MAAS_DATABASE_URL"):
            migrate("postgresql://nobody@127.0.0.1:9/none")

    @pytest.mark.parametrize("url", ["nonsense", "mysql://x/y", "sqlite:///x.db"])
    def test_another_kind_of_database(self, url: str) -> None:
        with pytest.raises(SettingsInvalid, match="MAAS_DATABASE_URL"):
            migrate(url)
