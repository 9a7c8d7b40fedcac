"""What PostgreSQL has written so far, from its statistics views.

Table sizes include indexes; the write-ahead log includes full pages after a checkpoint.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass

import psycopg

_TABLES = """
    select relname, n_tup_ins, n_tup_upd, n_tup_del, pg_total_relation_size(relid)
    from pg_stat_user_tables
"""
_TOTALS = """
    select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint, xact_commit
    from pg_stat_database where datname = current_database()
"""
# Idle connections flush their statistics once a second.
_FLUSH_INTERVAL_S = 2.0


@dataclass(frozen=True, slots=True)
class TableStatistics:
    """Rows inserted, updated and deleted in a table, and its size in bytes."""

    inserted: int
    updated: int
    deleted: int
    size: int

    @property
    def rows(self) -> int:
        """Return the rows written in any way."""
        return self.inserted + self.updated + self.deleted

    def since(self, before: "TableStatistics") -> "TableStatistics":
        """Return the difference to an earlier state."""
        return TableStatistics(
            self.inserted - before.inserted,
            self.updated - before.updated,
            self.deleted - before.deleted,
            self.size - before.size,
        )


@dataclass(frozen=True, slots=True)
class WriteStatistics:
    """Statistics by table, bytes of the write-ahead log, and committed transactions."""

    tables: Mapping[str, TableStatistics]
    wal_bytes: int
    commits: int

    def since(self, before: "WriteStatistics") -> "WriteStatistics":
        """Return the difference to an earlier state."""
        nothing = TableStatistics(0, 0, 0, 0)
        tables = {
            name: table.since(before.tables.get(name, nothing))
            for name, table in self.tables.items()
        }
        return WriteStatistics(
            tables, self.wal_bytes - before.wal_bytes, self.commits - before.commits
        )


def read_write_statistics(url: str) -> WriteStatistics:
    """Read the statistics, after idle connections have flushed theirs."""
    time.sleep(_FLUSH_INTERVAL_S)
    with psycopg.connect(url, autocommit=True) as connection:
        tables = {row[0]: TableStatistics(*row[1:]) for row in connection.execute(_TABLES)}
        totals = connection.execute(_TOTALS).fetchone()
    assert totals is not None
    return WriteStatistics(tables, int(totals[0]), int(totals[1]))
