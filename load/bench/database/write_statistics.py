"""What PostgreSQL has written so far, by its own statistics.

Sizes are of tables with their indexes, as they lie on the disk; the log is all that PostgreSQL
wrote ahead, also full pages after a checkpoint.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass

import psycopg

_TABLES = """
    select relname, n_tup_ins, n_tup_upd, n_tup_del, pg_total_relation_size(relid)
    from pg_stat_user_tables
"""
_WHOLE = """
    select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint, xact_commit
    from pg_stat_database where datname = current_database()
"""
# Idle connections hand in what they counted once a second.
_HANDED_IN_S = 2.0


@dataclass(frozen=True, slots=True)
class Table:
    """Rows written in three ways, and bytes."""

    inserted: int
    updated: int
    deleted: int
    size: int

    @property
    def rows(self) -> int:
        return self.inserted + self.updated + self.deleted

    def since(self, before: "Table") -> "Table":
        return Table(
            self.inserted - before.inserted,
            self.updated - before.updated,
            self.deleted - before.deleted,
            self.size - before.size,
        )


@dataclass(frozen=True, slots=True)
class Written:
    """log: bytes; commits: transactions."""

    tables: Mapping[str, Table]
    log: int
    commits: int

    def since(self, before: "Written") -> "Written":
        nothing = Table(0, 0, 0, 0)
        tables = {
            name: table.since(before.tables.get(name, nothing))
            for name, table in self.tables.items()
        }
        return Written(tables, self.log - before.log, self.commits - before.commits)


def written(url: str) -> Written:
    """By now, with what was handed in late."""
    time.sleep(_HANDED_IN_S)
    with psycopg.connect(url, autocommit=True) as connection:
        tables = {row[0]: Table(*row[1:]) for row in connection.execute(_TABLES)}
        whole = connection.execute(_WHOLE).fetchone()
    assert whole is not None
    return Written(tables, int(whole[0]), int(whole[1]))
