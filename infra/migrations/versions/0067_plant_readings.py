"""Readings of plant points: buffer, partitioned blocks and rollups, sources, settings; their meter.

The previous version neither reads nor writes these tables. It reads no column of the new meter;
its workers fail to count usage until they are replaced, so that no reading is left out.
"""

import sqlalchemy as sa
from alembic import op

revision = "0067"
down_revision = "0066"
branch_labels = None
depends_on = None

_METER = "readings"
_TOTALS = ("usage_total", "usage_tag_total", "usage_project_total")
_TABLES = (
    "plant_reading_settings",
    "plant_reading_source",
    "plant_reading_rollup",
    "plant_reading_block",
    "plant_reading_buffer",
    "plant_reading_series",
)
# Blocks are compressed already.
_COMPRESSED = (
    ("plant_reading_buffer", "data"),
    ("plant_reading_block", "data"),
)


def upgrade() -> None:
    # Partitions are created by the worker (gateway/plant/readings/storage/partitions.py).
    op.execute("create schema readings")
    _add_meter()
    _create_series()
    _create_buffer()
    _create_block()
    _create_rollup()
    _create_source()
    _create_settings()
    for table, column in _COMPRESSED:
        op.execute(f"alter table {table} alter column {column} set storage external")


def downgrade() -> None:
    for table in _TABLES:
        op.drop_table(table)
    op.execute("drop schema readings cascade")
    for table in ("usage", *_TOTALS):
        op.drop_column(table, _METER)


def _add_meter() -> None:
    op.add_column("usage", sa.Column(_METER, sa.BigInteger(), nullable=True))
    for table in _TOTALS:
        # The default stays for rows of processes of the previous version.
        op.add_column(table, sa.Column(_METER, sa.BigInteger(), nullable=False, server_default="0"))


def _references(table: str) -> tuple[sa.ForeignKeyConstraint, ...]:
    """Return the foreign keys of a table of readings to account and point."""
    return (
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=f"fk_{table}_account_id"),
        sa.ForeignKeyConstraint(
            ["point_id"], ["plant_point.id"], name=f"fk_{table}_point_id", ondelete="cascade"
        ),
    )


def _create_series() -> None:
    table = "plant_reading_series"
    op.create_table(
        table,
        sa.Column("point_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("last_us", sa.BigInteger(), nullable=False),
        sa.Column("last_value", sa.Float(), nullable=True),
        sa.Column("last_status", sa.BigInteger(), nullable=False),
        *_references(table),
        sa.PrimaryKeyConstraint("point_id", name=f"pk_{table}"),
    )
    op.create_index(f"ix_{table}_account_id", table, ["account_id"])


def _create_buffer() -> None:
    table = "plant_reading_buffer"
    op.create_table(
        table,
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("point_id", sa.Uuid(), nullable=False),
        sa.Column("hour", sa.Integer(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        *_references(table),
        sa.PrimaryKeyConstraint("id", name=f"pk_{table}"),
    )
    op.create_index(f"ix_{table}_point_id_hour", table, ["point_id", "hour"])


def _create_block() -> None:
    table = "plant_reading_block"
    op.create_table(
        table,
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("point_id", sa.Uuid(), nullable=False),
        sa.Column("hour", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        *_references(table),
        sa.PrimaryKeyConstraint("day", "point_id", "hour", name=f"pk_{table}"),
        postgresql_partition_by="RANGE (day)",
    )
    op.create_index(f"ix_{table}_account_id", table, ["account_id"])


def _create_rollup() -> None:
    table = "plant_reading_rollup"
    op.create_table(
        table,
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("point_id", sa.Uuid(), nullable=False),
        sa.Column("hour", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("minutes", sa.LargeBinary(), nullable=False),
        *_references(table),
        sa.PrimaryKeyConstraint("day", "point_id", "hour", name=f"pk_{table}"),
        postgresql_partition_by="RANGE (day)",
    )
    op.create_index(f"ix_{table}_account_id", table, ["account_id"])


def _create_source() -> None:
    table = "plant_reading_source"
    op.create_table(
        table,
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("clock_skew_ms", sa.BigInteger(), nullable=True),
        sa.Column("accepted", sa.BigInteger(), nullable=False),
        sa.Column("refused", sa.BigInteger(), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=f"fk_{table}_account_id"),
        sa.PrimaryKeyConstraint("account_id", "name", name=f"pk_{table}"),
    )


def _create_settings() -> None:
    table = "plant_reading_settings"
    op.create_table(
        table,
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("retention_days", sa.Integer(), nullable=True),
        sa.Column("rollup_retention_days", sa.Integer(), nullable=True),
        sa.Column("unknown_tags", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "retention_days between 1 and 36500 and rollup_retention_days between 1 and 36500",
            name=f"ck_{table}_retention_in_range",
        ),
        sa.CheckConstraint(
            "unknown_tags in ('reject', 'create')", name=f"ck_{table}_unknown_tags_known"
        ),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=f"fk_{table}_account_id"),
        sa.PrimaryKeyConstraint("account_id", name=f"pk_{table}"),
    )
