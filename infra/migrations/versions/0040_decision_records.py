"""Signed decision records of specialists that were called for chats.

The previous version neither writes nor reads them.
"""

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "decision_record",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("signature", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_decision_record_account_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_decision_record"),
    )
    op.create_index("ix_decision_record_account_id_id", "decision_record", ["account_id", "id"])
    op.create_index("ix_decision_record_request_id", "decision_record", ["request_id"])
    # A record is evidence: whatever code runs later, the database refuses to change it.
    op.execute(
        "create function decision_record_is_append_only() returns trigger language plpgsql as "
        "$$ begin raise exception 'decision records are never changed'; end $$"
    )
    op.execute(
        "create trigger decision_record_is_append_only before update or delete on decision_record "
        "for each row execute function decision_record_is_append_only()"
    )


def downgrade() -> None:
    op.drop_table("decision_record")
    op.execute("drop function decision_record_is_append_only")
