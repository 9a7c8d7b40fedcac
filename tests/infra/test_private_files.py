"""The data directory is readable by its owner only, and the embedded database still starts."""

import os
from pathlib import Path

import psycopg

from infra.database.embedded_postgres import start_postgres
from infra.installation import RunningInstance, lock_data_directory
from infra.outbound.mail import Mailer, build_message
from infra.private_files import private_umask


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def readable_by_others(folder: Path) -> list[Path]:
    found = [folder, *folder.rglob("*")]
    return [one for one in found if not one.is_symlink() and one.stat().st_mode & 0o077]


async def test_mail_in_a_file_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "outbox"
    await Mailer(None, folder).send(
        build_message("a@maas.example", "b@acme.example", "s", "t", "key")
    )
    assert mode(folder) == 0o700
    assert [mode(file) for file in folder.iterdir()] == [0o600]


def test_running_installation_creates_and_repairs_private_files(tmp_path: Path) -> None:
    data = tmp_path / "data"
    old = data / "mails" / "old.eml"
    old.parent.mkdir(parents=True)
    old.write_text("a link")
    for path in (data, old.parent):
        path.chmod(0o755)
    old.chmod(0o644)
    with lock_data_directory(data, RunningInstance(1, "http://x")):
        (data / "logs").mkdir()
        (data / "logs" / "maas.log").write_text("a line")
        assert readable_by_others(data) == []


def test_embedded_database_starts_in_a_private_directory(data_dir: Path) -> None:
    """Started by root, the server runs as another user whose group may only traverse the folder."""
    with lock_data_directory(data_dir, RunningInstance(1, "http://x")):
        server = start_postgres(data_dir / "postgres")
        try:
            assert mode(data_dir) == (0o710 if os.geteuid() == 0 else 0o700)
            assert mode(data_dir / "postgres") == 0o700
            # The server reopens its files by path.
            with psycopg.connect(server.url, autocommit=True) as connection:
                connection.execute("checkpoint")
                connection.execute("alter system set log_min_messages = 'error'")
                connection.execute("select pg_reload_conf()")
            with psycopg.connect(server.url, autocommit=True) as connection:
                row = connection.execute("show log_min_messages").fetchone()
            assert row == ("error",)
        finally:
            server.stop()


def test_embedded_database_in_a_private_directory_shuts_down_cleanly(data_dir: Path) -> None:
    with private_umask():
        server = start_postgres(data_dir / "postgres")
        started = mode(data_dir)
        server.stop()
    log = (data_dir / "postgres" / "log").read_text(encoding="utf-8")
    assert "received fast shutdown request" in log
    assert "database system is shut down" in log
    assert mode(data_dir) == started
