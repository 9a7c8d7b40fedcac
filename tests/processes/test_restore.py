"""Restoring a destroyed database from a backup and from the archived log, without any loss."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from billing.reconciliation.usage_and_quotas import reconcile
from infra.clock import SystemClock
from infra.database.database import Database
from infra.database.embedded_postgres import EmbeddedPostgres, postgres_program, start_postgres
from infra.settings import Settings
from tests.processes.clients import Clients, Seen, all_settled, usage_rows, whole_answers_are_billed
from tests.support import builders
from tests.support.builders import CATALOG, run_gateway
from tests.support.chaos import in_full
from tests.support.fakes.upstream import FakeUpstream
from tests.support.fleet import run_fleet
from tests.support.gateway.commands import invoke, leave_logs_alone
from tests.support.maas_process import run
from tests.support.nightly import nightly
from tests.support.serving import build_parts
from tests.support.stories.random_month import live
from tests.support.stories.story import Story

WHOLE = in_full(1_000, 20)
NOT_YET = "postgresql://not-yet"
# Each row of a table as one number; equal rows are distinguished by their count.
_DIGEST = "select count(*), coalesce(sum(hashtextextended(t::text, 0)), 0) from {} t"
_TABLES = """
    select quote_ident(schemaname) || '.' || quote_ident(tablename) from pg_tables
    where schemaname in ('public', 'jobs') order by 1
"""
_MONEY = """
    select (select sum(cost_nano) from usage), (select count(number) from invoice),
           (select sum(total) from invoice), (select sum(abs(minor)) from ledger_posting)
"""


async def ask(database: Database, statement: str) -> list[tuple[Any, ...]]:
    async with database.transaction() as session:
        return [tuple(row) for row in await session.execute(text(statement))]


async def contents(database: Database) -> dict[str, tuple[Any, ...]]:
    """A digest of the rows of each table."""
    tables = [name for (name,) in await ask(database, _TABLES)]
    return {name: (await ask(database, _DIGEST.format(name)))[0] for name in tables}


async def maas(settings: Settings, *arguments: str) -> tuple[int, Any]:
    """Run the command in a process, on the embedded database of the folder."""
    environment = {name: one for name, one in os.environ.items() if not name.startswith("MAAS_")}
    return await run({**environment, **_environment(settings)}, *arguments, "--json")


async def say(settings: Settings, *arguments: str) -> tuple[int, Any]:
    """Run the command without a process; in `make chaos` with one."""
    if in_full(1, 0):
        return await maas(settings, *arguments)
    code, out = await invoke(_environment(settings), *arguments, "--json")
    return code, json.loads(out)


def _environment(settings: Settings) -> dict[str, str]:
    """The environment for the folder's own database, or for the running server, so that the command
    does not stop it."""
    environment = {"MAAS_DATA_DIR": str(settings.data_dir)}
    environment["MAAS_SERVING_URL"] = settings.serving_url or ""
    assert settings.database_url is not None
    url = settings.database_url.get_secret_value()
    return environment if url == NOT_YET else {**environment, "MAAS_DATABASE_URL": url}


@asynccontextmanager
async def running(data_dir: Path) -> AsyncIterator[tuple[EmbeddedPostgres, Database]]:
    """The embedded database of the folder, migrated."""
    server = await asyncio.to_thread(start_postgres, data_dir / "postgres")
    database = Database(server.url, pool_size=2)
    try:
        yield server, database
    finally:
        await database.close()
        await asyncio.to_thread(server.stop)


@pytest.fixture
def settings(data_dir: Path, upstream: FakeUpstream) -> Settings:
    return builders.settings(NOT_YET, data_dir, upstream.url)


@pytest.fixture(autouse=True)
def _logs_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    leave_logs_alone(monkeypatch)


def on(settings: Settings, server: EmbeddedPostgres) -> Settings:
    return builders.settings(server.url, settings.data_dir, settings.serving_url or "")


async def no_difference(database: Database) -> None:
    async with database.transaction() as session:
        assert not (await reconcile(session)).differences


async def the_key_still_works(settings: Settings, secret: str) -> None:
    parts = build_parts(settings, SystemClock(), CATALOG)
    headers = {"authorization": f"Bearer {secret}"}
    async with builders.serve(parts) as url, httpx.AsyncClient(headers=headers) as http:
        assert (await http.get(f"{url}/v1/usage")).status_code == 200


class TestBackupAndRestore:
    async def test_restored_database_is_identical_to_the_original(
        self, settings: Settings, tmp_path: Path
    ) -> None:
        """Two months of accounts billed by the real jobs, three in `make chaos`, and calls by a
        real gateway."""
        data_dir, backup = settings.data_dir, tmp_path / "all.dump"
        async with running(data_dir) as (server, database):
            await live(Story(database), seed=26, firms=in_full(3, 1))
            async with run_gateway(on(settings, server)) as gateway:
                for number in range(20):
                    assert (await gateway.chat("a part", stream=number % 2 == 0)).is_success
                assert (await gateway.chat("a part", model="none")).status_code == 404
                secret = gateway.key.secret
            await no_difference(database)
            before, money = await contents(database), (await ask(database, _MONEY))[0]
        assert all(money), "there is nothing to lose"

        code, said = await say(settings, "backup", str(backup))
        assert (code, said["bytes"]) == (0, backup.stat().st_size)
        assert backup.stat().st_mode & 0o077 == 0
        shutil.rmtree(data_dir / "postgres")
        code, said = await maas(settings, "restore", str(backup))
        assert (code, said["newest_call"] is None) == (0, False), said

        async with running(data_dir) as (server, database):
            assert await contents(database) == before
            assert (await ask(database, _MONEY))[0] == money
            await the_key_still_works(on(settings, server), secret)
        code, said = await say(settings, "reconcile")
        assert (code, said["differences"]) == (0, [])
        sys.stderr.write(
            f"{len(before)} tables, {sum(rows for rows, _ in before.values())} rows, of money "
            f"{money}: the same after it was destroyed and brought back\n"
        )

    @nightly
    async def test_backup_during_calls_contains_all_earlier_responses(
        self, settings: Settings, tmp_path: Path
    ) -> None:
        """Responses completed before the backup began are in it, and its records agree."""
        backup = tmp_path / "all.dump"
        async with running(settings.data_dir) as (server, database):
            _, key = await builders.customer(database, on(settings, server))
            async with calling(on(settings, server), key.secret) as seen:
                known = await so_many(seen, WHOLE)
                assert (await say(on(settings, server), "backup", str(backup)))[0] == 0
                await so_many(seen, len(seen.whole) + 10)
        shutil.rmtree(settings.data_dir / "postgres")
        assert (await say(settings, "restore", str(backup)))[0] == 0
        async with running(settings.data_dir) as (server, database):
            await what_was_whole_is_billed(database, known)
            async with run_fleet(on(settings, server), 1):
                # The gateway settles the calls of gateways that no longer run.
                await all_settled(database, processes=1)
            await what_was_whole_is_billed(database, known)

    @nightly
    async def test_restore_into_a_database_with_data_is_rejected(
        self, settings: Settings, tmp_path: Path
    ) -> None:
        backup = tmp_path / "all.dump"
        async with running(settings.data_dir) as (server, database):
            await builders.customer(database, on(settings, server))
            before = await contents(database)
            running_on = on(settings, server)
            assert (await say(running_on, "backup", str(backup)))[0] == 0
            code, said = await say(running_on, "restore", str(backup))
            assert (code, said["error"]["code"]) == (1, "database_not_empty")
            assert await contents(database) == before

    @nightly
    async def test_restore_of_a_truncated_backup_fails_and_can_be_repeated(
        self, settings: Settings, tmp_path: Path
    ) -> None:
        backup = tmp_path / "all.dump"
        assert (await say(settings, "backup", str(backup)))[0] == 0
        shutil.rmtree(settings.data_dir / "postgres")
        whole = backup.read_bytes()
        backup.write_bytes(whole[: len(whole) // 2])
        code, said = await say(settings, "restore", str(backup))
        assert (code, said["error"]["code"]) == (1, "backup_failed")
        backup.write_bytes(whole)
        assert (await say(settings, "restore", str(backup)))[0] == 0

    async def test_backup_to_a_folder_keeps_the_newest_files_only(
        self, settings: Settings, tmp_path: Path
    ) -> None:
        for day in (1, 2, 3):
            (tmp_path / f"maas-2026110{day}T000000Z.dump").write_bytes(b"old")
        (tmp_path / "of-somebody-else.dump").write_bytes(b"theirs")
        code, said = await say(settings, "backup", str(tmp_path), "--keep", "2")
        assert code == 0, said
        kept = set(os.listdir(tmp_path))
        newest = Path(said["file"]).name
        assert kept == {"of-somebody-else.dump", "maas-20261103T000000Z.dump", newest}


class TestPointInTimeRecovery:
    async def test_archived_log_restores_the_state_at_a_given_moment(
        self, settings: Settings, data_dir: Path
    ) -> None:
        """PostgreSQL's archived log restores the state just before a mistaken update."""
        archive, base = data_dir / "archive", data_dir / "base"
        archive.mkdir()
        archive.chmod(0o777)
        async with running(data_dir) as (server, _):
            _change(server, archive_mode="on", archive_command=f"cp %p {archive}/%f")
        async with running(data_dir) as (server, database):
            _, key = await builders.customer(database, on(settings, server))
            _base_backup(server, base)
            async with calling(on(settings, server), key.secret) as seen:
                known = await so_many(seen, WHOLE)
            before = await contents(database)
            moment = (await ask(database, "select clock_timestamp()::text"))[0][0]
            await ask(database, "select pg_switch_wal()")
            await ask(database, "update account set name = 'a mistake' returning 1")
            await ask(database, "select pg_switch_wal()")
        shutil.rmtree(data_dir / "postgres")

        base.rename(data_dir / "postgres")
        _recover(data_dir / "postgres", archive, moment)
        async with running(data_dir) as (_, database):
            await recovered(database)
            await what_was_whole_is_billed(database, known)
            assert await contents(database) == before


async def recovered(database: Database) -> None:
    """Wait until recovery is complete; before that the server accepts reads only."""
    async with asyncio.timeout(60):
        while (await ask(database, "select pg_is_in_recovery()"))[0] != (False,):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


@asynccontextmanager
async def calling(settings: Settings, secret: str) -> AsyncIterator[Seen]:
    """Clients of all kinds call a gateway until the block ends."""
    async with run_fleet(settings, 1) as fleet:
        clients = Clients(lambda: fleet.urls, secret, seed=26)
        async with asyncio.TaskGroup() as group:
            group.create_task(clients.run(each=in_full(2, 1)))
            yield clients.seen
            clients.stop()


async def so_many(seen: Seen, number: int) -> Seen:
    """Wait for a number of complete responses; returns what clients have seen."""
    async with asyncio.timeout(180):
        while len(seen.whole) < number:  # noqa: ASYNC110  # clients only count
            await asyncio.sleep(0.05)
    return deepcopy(seen)


async def what_was_whole_is_billed(database: Database, known: Seen) -> None:
    await no_difference(database)
    whole_answers_are_billed(known, await usage_rows(database))


def _change(server: EmbeddedPostgres, **values: str) -> None:
    for name, value in values.items():
        server._server.psql(f"alter system set {name} = '{value}'")


def _base_backup(server: EmbeddedPostgres, folder: Path) -> None:
    folder.mkdir(mode=0o700)
    user = server._server.system_user
    if user is not None:
        shutil.chown(folder, user)
    command = [
        postgres_program("pg_basebackup"),
        "-d",
        server.url,
        "-D",
        folder,
        "-c",
        "fast",
        "-X",
        "none",
    ]
    subprocess.run(command, check=True, capture_output=True, user=user)


def _recover(folder: Path, archive: Path, moment: str) -> None:
    # Files that the earlier server left; its socket is in the folder.
    for left in folder.glob(".s.PGSQL.*"):
        left.unlink()
    (folder / "recovery.signal").touch()
    with (folder / "postgresql.auto.conf").open("a") as file:
        file.write(
            f"restore_command = 'cp {archive}/%f %p'\nrecovery_target_time = '{moment}'\n"
            "recovery_target_action = 'promote'\narchive_mode = 'off'\n"
        )
