"""The prediction ledger: model keys, hash chains of accounts, records and observed events.

The previous version neither reads nor writes these tables.
"""

import sqlalchemy as sa
from alembic import op

revision = "0074"
down_revision = "0073"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_key()
    _create_chain()
    _create_record()
    _create_event()
    # A record is evidence: whatever code runs later, the database refuses to change it.
    op.execute(
        "create function prediction_record_is_append_only() returns trigger language plpgsql as "
        "$$ begin raise exception 'prediction records are never changed'; end $$"
    )
    op.execute(
        "create trigger prediction_record_is_append_only before update or delete on "
        "prediction_record for each row execute function prediction_record_is_append_only()"
    )


def _create_key() -> None:
    op.create_table(
        "prediction_key",
        sa.Column("kid", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("invalid_from", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.CheckConstraint("length(public_key) = 32", name="ck_prediction_key_ed25519"),
        sa.CheckConstraint(
            "(revoked_at is null) = (invalid_from is null) "
            "and (revoked_at is null or retired_at is not null)",
            name="ck_prediction_key_revoked",
        ),
        sa.PrimaryKeyConstraint("kid", name="pk_prediction_key"),
        sa.UniqueConstraint("model", "generation", name="uq_prediction_key_model_generation"),
    )
    op.create_index(
        "uq_prediction_key_active",
        "prediction_key",
        ["model"],
        unique=True,
        postgresql_where=sa.text("retired_at is null"),
    )


def _create_chain() -> None:
    op.create_table(
        "prediction_chain",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("head", sa.LargeBinary(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_prediction_chain_account_id"
        ),
        sa.PrimaryKeyConstraint("account_id", name="pk_prediction_chain"),
    )


def _create_record() -> None:
    op.create_table(
        "prediction_record",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=False),
        sa.Column("content_digest", sa.LargeBinary(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=True),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("horizon_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("horizon_to", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kid", sa.Text(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_prediction_record_account_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_prediction_record"),
        sa.UniqueConstraint(
            "account_id", "position", name="uq_prediction_record_account_id_position"
        ),
        sa.UniqueConstraint(
            "account_id", "idempotency_key", name="uq_prediction_record_account_id_idempotency_key"
        ),
    )
    for column in ("event", "subject"):
        op.create_index(
            f"ix_prediction_record_{column}",
            "prediction_record",
            ["account_id", column, "recorded_at"],
        )


def _create_event() -> None:
    op.create_table(
        "prediction_event",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("business_key", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("happened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("happened", sa.Boolean(), nullable=False),
        sa.Column("reported_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_prediction_event_account_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_prediction_event"),
        sa.UniqueConstraint(
            "account_id", "business_key", name="uq_prediction_event_account_id_business_key"
        ),
    )
    op.create_index(
        "ix_prediction_event_event", "prediction_event", ["account_id", "event", "happened_at"]
    )


def downgrade() -> None:
    for table in ("prediction_event", "prediction_record", "prediction_chain", "prediction_key"):
        op.drop_table(table)
    op.execute("drop function prediction_record_is_append_only")
