"""Extensions of PostgreSQL: creation, and errors where they cannot be created."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.engine import make_url

from infra.database.connect import driver_url
from infra.database.extensions import ExtensionMissing, require_extension


@pytest.fixture
def database(postgres: str) -> Iterator[str]:
    """A database without extensions, whose user may not create any."""
    admin = create_engine(driver_url(postgres), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text("create database plain"))
        connection.execute(text("create role guest login"))
        url = make_url(driver_url(postgres)).set(database="plain")
        yield url.render_as_string(hide_password=False)
        connection.execute(text("drop database plain with (force)"))
        connection.execute(text("drop role guest"))
    admin.dispose()


def connected(url: str) -> Iterator[Connection]:
    engine = create_engine(url)
    with engine.begin() as connection:
        yield connection
    engine.dispose()


class TestRequireExtension:
    def test_extension_is_created_once(self, database: str) -> None:
        for connection in connected(database):
            for _ in range(2):
                require_extension(connection, "vector", "pgvector")
            assert connection.scalar(text("select '[1,2]'::vector <-> '[1,2]'::vector")) == 0

    def test_extension_missing_on_the_server_raises_with_the_package_to_install(
        self, database: str
    ) -> None:
        for connection in connected(database):
            with pytest.raises(ExtensionMissing, match="Install some package"):
                require_extension(connection, "no_such", "some package")

    def test_missing_privilege_raises_with_the_statement_to_run(self, database: str) -> None:
        for connection in connected(database):
            connection.execute(text("set role guest"))
            with pytest.raises(ExtensionMissing, match="create extension vector"):
                require_extension(connection, "vector", "pgvector")
            assert connection.scalar(text("select 1")) == 1
