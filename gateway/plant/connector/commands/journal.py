"""Durable journal of commands: what was begun and reported, and which dead-man timers run.

A command is begun before it is written to the device, so that a killed connector never writes it
twice. SQLite in the connector's directory; one process uses it.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from gateway.plant.commands.values import Command, PointLimits, Report

_SCHEMA = """
create table if not exists command (
    id text primary key, tag text not null, at text not null, before real, begun integer not null,
    content blob not null, report blob, sent integer not null default 0
);
create index if not exists command_tag on command (tag, at);
create table if not exists armed (tag text primary key, content blob not null);
create table if not exists issued (account text primary key, at text not null);
"""
_KEEP = timedelta(days=30)
_RATE_WINDOW = timedelta(hours=1)


class Armed(msgspec.Struct, frozen=True, kw_only=True):
    """A dead-man timer. point: its limits when the command was written.

    former: the value before the first command, None if it was not known. wanted_at: the time of
    the newest renewal by the gateway's clock. renewed_at: when it arrived, by the connector's.
    """

    command: str
    point: PointLimits
    former: float | None
    wanted_at: datetime
    renewed_at: datetime


@dataclass(frozen=True, slots=True)
class Entry:
    """A command that was begun or ended. report: None while its outcome is not known."""

    command: Command
    before: float | None
    report: Report | None


class Journal:
    """The journal of one connector."""

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._db = sqlite3.connect(file, isolation_level=None)
        self._db.execute("pragma journal_mode = wal")
        self._db.execute("pragma synchronous = full")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def find(self, command: str) -> Entry | None:
        """Return a command that was begun or ended, None for a new one."""
        row = self._db.execute(
            "select content, before, report from command where id = ?", (command,)
        ).fetchone()
        return None if row is None else _entry(*row)

    def begin(
        self, command: Command, before: float | None, at: datetime, armed: Armed | None = None
    ) -> None:
        """Record that a command is about to be written, with its dead-man timer, durably."""
        self._db.execute("begin")
        self._db.execute(
            "insert into command (id, tag, at, before, begun, content) values (?, ?, ?, ?, 1, ?)",
            (command.id, command.tag, at.isoformat(), before, msgspec.json.encode(command)),
        )
        if armed is not None:
            self._put_armed(command.tag, armed)
        self._db.execute("commit")

    def end(self, command: Command, report: Report) -> None:
        """Record the outcome of a command, to be sent."""
        content = (msgspec.json.encode(command), msgspec.json.encode(report))
        self._db.execute(
            "insert into command (id, tag, at, begun, content, report) values (?, ?, ?, 0, ?, ?) "
            "on conflict (id) do update set report = excluded.report, sent = 0",
            (command.id, command.tag, report.at.isoformat(), *content),
        )

    def written(self, tag: str, now: datetime) -> Sequence[datetime]:
        """Return when commands were written to a point: the last time, and those of an hour.

        Times after `now` are included: they count as just now.
        """
        since = (now - _RATE_WINDOW).isoformat()
        query = "select at from command where tag = ? and begun = 1 and at > ?"
        rows = self._db.execute(query, (tag, since)).fetchall()
        last = self._db.execute(
            "select max(at) from command where tag = ? and begun = 1", (tag,)
        ).fetchall()
        return [datetime.fromisoformat(at) for (at,) in (*rows, *last) if at is not None]

    def unsent(self, limit: int) -> Sequence[Report]:
        """Return outcomes that the gateway has not confirmed."""
        query = "select report from command where report is not null and sent = 0 limit ?"
        rows = self._db.execute(query, (limit,)).fetchall()
        return [msgspec.json.decode(one, type=Report) for (one,) in rows]

    def set_sent(self, reports: Sequence[Report], now: datetime) -> None:
        """Record that the gateway has outcomes; forgets commands that are too old to be sent."""
        self._db.executemany(
            "update command set sent = 1 where id = ? and report = ?",
            [(one.command, msgspec.json.encode(one)) for one in reports],
        )
        self._db.execute(
            "delete from command where sent = 1 and at < ?", ((now - _KEEP).isoformat(),)
        )

    def armed(self) -> dict[str, Armed]:
        """Return the dead-man timers by tag."""
        rows = self._db.execute("select tag, content from armed").fetchall()
        return {tag: msgspec.json.decode(content, type=Armed) for tag, content in rows}

    def arm(self, tag: str, armed: Armed) -> None:
        """Replace the dead-man timer of a point."""
        self._put_armed(tag, armed)

    def disarm(self, tag: str) -> None:
        """Remove the dead-man timer of a point."""
        self._db.execute("delete from armed where tag = ?", (tag,))

    def newest_issue(self, account: str) -> datetime | None:
        """Return when the newest limits that were seen were issued, None for none."""
        row = self._db.execute("select at from issued where account = ?", (account,)).fetchone()
        return None if row is None else datetime.fromisoformat(row[0])

    def set_newest_issue(self, account: str, at: datetime) -> None:
        """Record when the newest limits were issued: older ones are refused from now on."""
        self._db.execute(
            "insert into issued values (?, ?) on conflict (account) do update set at = excluded.at",
            (account, at.isoformat()),
        )

    def _put_armed(self, tag: str, armed: Armed) -> None:
        """Store a dead-man timer."""
        self._db.execute(
            "insert into armed values (?, ?) on conflict (tag) "
            "do update set content = excluded.content",
            (tag, msgspec.json.encode(armed)),
        )


def _entry(content: bytes, before: float | None, report: bytes | None) -> Entry:
    """Return the entry of a row."""
    command = msgspec.json.decode(content, type=Command)
    ended = None if report is None else msgspec.json.decode(report, type=Report)
    return Entry(command, before, ended)
