"""Outcomes: contracts in versions, attesters, evidence, settlements, disputes and charges.

The database itself keeps what was agreed and what was said: terms, evidence and bundles are never
changed, and a mark that was set stays as it is.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _outcome_contract()
    _attester()
    _outcome_version()
    _evidence()
    _outcome_settlement()
    _charge()
    _outcome()
    _outcome_dispute()
    _outcome_call()
    _kept()


def downgrade() -> None:
    for table in ("outcome_call", "outcome_dispute", "outcome", "charge"):
        op.drop_table(table)
    for table in ("outcome_settlement", "evidence", "outcome_version", "attester"):
        op.drop_table(table)
    op.drop_table("outcome_contract")
    op.execute("drop function marks_are_set_once")


def _outcome_contract() -> None:
    op.create_table(
        "outcome_contract",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("tag", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_outcome_contract_account_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_outcome_contract"),
        sa.UniqueConstraint("account_id", "tag", name="uq_outcome_contract_account_id_tag"),
    )


def _attester() -> None:
    op.create_table(
        "attester",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("contract_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("added_by", sa.Text(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("accepted_by", sa.Text(), nullable=True),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_by", sa.Text(), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("length(public_key) = 32", name="ck_attester_ed25519"),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_attester_account_id"),
        sa.ForeignKeyConstraint(
            ["contract_id"], ["outcome_contract.id"], name="fk_attester_contract_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_attester"),
        sa.UniqueConstraint("contract_id", "public_key", name="uq_attester_contract_id_public_key"),
    )
    op.create_index("ix_attester_account_id", "attester", ["account_id"])


def _outcome_version() -> None:
    op.create_table(
        "outcome_version",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("contract_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("terms_id", sa.Uuid(), nullable=False),
        sa.Column("terms", sa.Text(), nullable=False),
        sa.Column("plan_version_id", sa.Uuid(), nullable=True),
        sa.Column("proposed_by", sa.Text(), nullable=False),
        sa.Column("proposed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("baseline", sa.Text(), nullable=True),
        sa.Column("customer_agreed_by", sa.Text(), nullable=True),
        sa.Column("customer_agreed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("operator_agreed_by", sa.Text(), nullable=True),
        sa.Column("operator_agreed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_by", sa.Text(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_outcome_version_account_id"
        ),
        sa.ForeignKeyConstraint(
            ["contract_id"], ["outcome_contract.id"], name="fk_outcome_version_contract_id"
        ),
        sa.ForeignKeyConstraint(
            ["plan_version_id"], ["plan_version.id"], name="fk_outcome_version_plan_version_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_outcome_version"),
        sa.UniqueConstraint("contract_id", "number", name="uq_outcome_version_contract_id_number"),
    )
    op.create_index("ix_outcome_version_account_id", "outcome_version", ["account_id"])


def _evidence() -> None:
    op.create_table(
        "evidence",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("contract_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("attester_id", sa.Uuid(), nullable=False),
        sa.Column("said", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("chained", sa.LargeBinary(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_evidence_account_id"),
        sa.ForeignKeyConstraint(["attester_id"], ["attester.id"], name="fk_evidence_attester_id"),
        sa.ForeignKeyConstraint(
            ["contract_id"], ["outcome_contract.id"], name="fk_evidence_contract_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_evidence"),
        sa.UniqueConstraint(
            "contract_id",
            "attester_id",
            "kind",
            "digest",
            name="uq_evidence_contract_id_attester_id_kind_digest",
        ),
        sa.UniqueConstraint("contract_id", "position", name="uq_evidence_contract_id_position"),
    )
    op.create_index("ix_evidence_account_id", "evidence", ["account_id"])


def _outcome_settlement() -> None:
    op.create_table(
        "outcome_settlement",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("contract_id", sa.Uuid(), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("micro", sa.BigInteger(), nullable=False),
        sa.Column("minor", sa.BigInteger(), nullable=False),
        sa.Column("bundle", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("disputable_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("minor >= 0 and micro >= 0", name="ck_outcome_settlement_not_negative"),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_outcome_settlement_account_id"
        ),
        sa.ForeignKeyConstraint(
            ["contract_id"], ["outcome_contract.id"], name="fk_outcome_settlement_contract_id"
        ),
        sa.ForeignKeyConstraint(
            ["version_id"], ["outcome_version.id"], name="fk_outcome_settlement_version_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_outcome_settlement"),
        sa.UniqueConstraint(
            "contract_id", "starts_at", name="uq_outcome_settlement_contract_id_starts_at"
        ),
    )
    op.create_index("ix_outcome_settlement_account_id", "outcome_settlement", ["account_id"])
    op.create_index(
        "ix_outcome_settlement_open",
        "outcome_settlement",
        ["disputable_until"],
        unique=False,
        postgresql_where=sa.text("accepted_at is null"),
    )


def _charge() -> None:
    op.create_table(
        "charge",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("business_key", sa.Text(), nullable=False),
        sa.Column("settlement_id", sa.Uuid(), nullable=False),
        sa.Column("plan_version_id", sa.Uuid(), nullable=False),
        sa.Column("minor", sa.BigInteger(), nullable=False),
        sa.Column("micro", sa.BigInteger(), nullable=False),
        sa.Column("attested_by", sa.Text(), nullable=False),
        sa.Column("words", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("invoice_id", sa.Uuid(), nullable=True),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("minor > 0", name="ck_charge_positive"),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_charge_account_id"),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoice.id"], name="fk_charge_invoice_id"),
        sa.ForeignKeyConstraint(
            ["plan_version_id"], ["plan_version.id"], name="fk_charge_plan_version_id"
        ),
        sa.ForeignKeyConstraint(
            ["settlement_id"], ["outcome_settlement.id"], name="fk_charge_settlement_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_charge"),
        sa.UniqueConstraint("account_id", "business_key", name="uq_charge_account_id_business_key"),
    )
    op.create_index(
        "ix_charge_waiting",
        "charge",
        ["account_id", "due_at"],
        unique=False,
        postgresql_where=sa.text("invoice_id is null"),
    )
    op.create_index("ix_charge_settlement_id", "charge", ["settlement_id"])
    op.create_index("ix_charge_invoice_id", "charge", ["invoice_id"])


def _outcome() -> None:
    op.create_table(
        "outcome",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("contract_id", sa.Uuid(), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("business_key", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("happened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("evidence_id", sa.Uuid(), nullable=False),
        sa.Column("confirmation_id", sa.Uuid(), nullable=True),
        sa.Column("attested_by", sa.Text(), nullable=True),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("refused_for", sa.Text(), nullable=True),
        sa.Column("reversal_id", sa.Uuid(), nullable=True),
        sa.Column("reversed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settlement_id", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_outcome_account_id"),
        sa.ForeignKeyConstraint(
            ["confirmation_id"], ["evidence.id"], name="fk_outcome_confirmation_id"
        ),
        sa.ForeignKeyConstraint(
            ["contract_id"], ["outcome_contract.id"], name="fk_outcome_contract_id"
        ),
        sa.ForeignKeyConstraint(["evidence_id"], ["evidence.id"], name="fk_outcome_evidence_id"),
        sa.ForeignKeyConstraint(["reversal_id"], ["evidence.id"], name="fk_outcome_reversal_id"),
        sa.ForeignKeyConstraint(
            ["settlement_id"], ["outcome_settlement.id"], name="fk_outcome_settlement_id"
        ),
        sa.ForeignKeyConstraint(
            ["version_id"], ["outcome_version.id"], name="fk_outcome_version_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_outcome"),
        sa.UniqueConstraint(
            "account_id", "business_key", name="uq_outcome_account_id_business_key"
        ),
    )
    op.create_index("ix_outcome_contract_id", "outcome", ["contract_id", "happened_at"])
    op.create_index("ix_outcome_subject", "outcome", ["account_id", "subject", "happened_at"])
    op.create_index("ix_outcome_settlement_id", "outcome", ["settlement_id"])


def _outcome_dispute() -> None:
    op.create_table(
        "outcome_dispute",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("settlement_id", sa.Uuid(), nullable=False),
        sa.Column("outcomes", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("opened_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("frozen", sa.BigInteger(), nullable=False),
        sa.Column("answer_due", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reply_due", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decision_due", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reply", sa.Text(), nullable=True),
        sa.Column("replied_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_for", sa.Text(), nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_outcome_dispute_account_id"
        ),
        sa.ForeignKeyConstraint(
            ["settlement_id"], ["outcome_settlement.id"], name="fk_outcome_dispute_settlement_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_outcome_dispute"),
    )
    op.create_index("ix_outcome_dispute_account_id", "outcome_dispute", ["account_id"])
    op.create_index(
        "uq_outcome_dispute_open",
        "outcome_dispute",
        ["settlement_id"],
        unique=True,
        postgresql_where=sa.text("decided_at is null"),
    )


def _outcome_call() -> None:
    op.create_table(
        "outcome_call",
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("outcome_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_outcome_call_account_id"),
        sa.ForeignKeyConstraint(["outcome_id"], ["outcome.id"], name="fk_outcome_call_outcome_id"),
        sa.PrimaryKeyConstraint("request_id", name="pk_outcome_call"),
    )
    op.create_index("ix_outcome_call_outcome_id", "outcome_call", ["outcome_id"])


def _kept() -> None:
    """Evidence and claims of calls are only ever added; of the rest, only marks are set, once."""
    for table in ("evidence", "outcome_call", "outcome_contract"):
        op.execute(
            f"create trigger append_only before update or delete on {table} "
            "for each row execute function is_append_only()"
        )
        op.execute(f"revoke update, delete, truncate on {table} from public")
    op.execute(
        """
        create function marks_are_set_once() returns trigger language plpgsql as $$
        declare field text; was jsonb; becomes jsonb;
        begin
            was := to_jsonb(old); becomes := to_jsonb(new);
            for field in select jsonb_object_keys(was) loop
                -- nothing that was said is said otherwise: only what was open is filled in
                if was -> field <> 'null'::jsonb and was -> field <> becomes -> field
                   and not (
                       -- but a baseline may be fitted again until somebody has agreed to it
                       tg_argv[0] = field
                       and was -> 'customer_agreed_at' = 'null'::jsonb
                       and was -> 'operator_agreed_at' = 'null'::jsonb
                   ) then
                    raise exception '% of % stays as it is', field, tg_table_name
                        using errcode = 'restrict_violation';
                end if;
            end loop;
            return new;
        end $$
        """
    )
    tables = {
        "outcome_version": "baseline",
        "attester": "",
        "outcome": "",
        "outcome_settlement": "",
        "outcome_dispute": "",
        "charge": "",
    }
    for table, free in tables.items():
        op.execute(
            f"create trigger marks before update on {table} "
            f"for each row execute function marks_are_set_once('{free}')"
        )
        op.execute(
            f"create trigger kept before delete on {table} "
            "for each row execute function is_append_only()"
        )
