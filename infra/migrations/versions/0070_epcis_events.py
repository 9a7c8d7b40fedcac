"""EPCIS events, their items, and capture jobs.

The previous version neither reads nor writes these tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0070"
down_revision = "0069"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_plant_event()
    _create_plant_event_item()
    _create_plant_capture()


def _create_plant_event() -> None:
    op.create_table(
        "plant_event",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("is_declaration", sa.Boolean(), nullable=False),
        sa.Column("declared_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("event_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("record_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("biz_step", sa.Text(), nullable=False),
        sa.Column("disposition", sa.Text(), nullable=False),
        sa.Column("read_point", sa.Text(), nullable=False),
        sa.Column("biz_location", sa.Text(), nullable=False),
        sa.Column("group_id", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("context", postgresql.JSONB(), nullable=False),
        sa.Column("body", postgresql.JSONB(), nullable=False),
        sa.CheckConstraint(
            "is_declaration = (declared_at is not null)", name="ck_plant_event_declared_if_error"
        ),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_plant_event_account_id"),
        sa.PrimaryKeyConstraint("id", name="pk_plant_event"),
    )
    op.create_index(
        "uq_plant_event_event_id",
        "plant_event",
        ["account_id", "event_id", "is_declaration"],
        unique=True,
    )
    for column in ("event_time", "record_time"):
        op.create_index(f"ix_plant_event_{column}", "plant_event", ["account_id", column])
    op.create_index(
        "ix_plant_event_declaration",
        "plant_event",
        ["account_id"],
        postgresql_where=sa.text("is_declaration"),
    )


def _create_plant_event_item() -> None:
    op.create_table(
        "plant_event_item",
        sa.Column("event", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("group_id", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("link", sa.Text(), nullable=False),
        sa.Column("item", sa.Text(), nullable=False),
        sa.Column("epc", sa.Text(), nullable=False),
        sa.Column("is_class", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_plant_event_item_account_id"
        ),
        sa.ForeignKeyConstraint(["event"], ["plant_event.id"], name="fk_plant_event_item_event"),
        sa.PrimaryKeyConstraint("event", "position", name="pk_plant_event_item"),
    )
    table = "plant_event_item"
    op.create_index("ix_plant_event_item_item", table, ["item", "account_id", "role"])
    op.create_index(
        "ix_plant_event_item_link",
        table,
        ["item", "account_id", "link"],
        postgresql_where=sa.text("link <> ''"),
    )
    op.create_index("ix_plant_event_item_group_id", table, ["group_id", "account_id", "link"])
    op.create_index("ix_plant_event_item_event", table, ["event"])


def _create_plant_capture() -> None:
    op.create_table(
        "plant_capture",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("behaviour", sa.Text(), nullable=False),
        sa.Column("succeeded", sa.Boolean(), nullable=False),
        sa.Column("stored", sa.Integer(), nullable=False),
        sa.Column("unchanged", sa.Integer(), nullable=False),
        sa.Column("errors", postgresql.JSONB(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_plant_capture_account_id"),
        sa.PrimaryKeyConstraint("id", name="pk_plant_capture"),
    )
    op.create_index("ix_plant_capture_account_id", "plant_capture", ["account_id", "created_at"])


def downgrade() -> None:
    for table in ("plant_capture", "plant_event_item", "plant_event"):
        op.drop_table(table)
