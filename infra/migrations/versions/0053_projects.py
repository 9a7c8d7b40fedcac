"""Projects with members, service accounts and usage totals; the project of a key.

The previous version neither reads nor writes these tables, and creates keys without a project,
which are keys of the default project. `project_cursor` starts where the usage totals are, so that
rows which a worker of the previous version aggregates during the upgrade are not left out.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0053"
down_revision = "0052"
branch_labels = None
depends_on = None

_METERS = (
    "calls",
    "input_tokens",
    "cached_input_tokens",
    "output_tokens",
    "rows",
    "images",
    "adaptation_seconds",
    "cost_nano",
)


def upgrade() -> None:
    _project()
    _service_account()
    _project_member()
    _usage_project_total()
    # Both foreign keys are of new columns without values, so that no row is checked.
    op.execute(
        "alter table api_key"
        " add column project_id uuid constraint fk_api_key_project_id references project (id),"
        " add column service_account_id uuid"
        " constraint fk_api_key_service_account_id references service_account (id)"
    )
    op.create_index("ix_api_key_project_id", "api_key", ["project_id"])
    op.create_index("ix_api_key_service_account_id", "api_key", ["service_account_id"])


def downgrade() -> None:
    op.drop_column("api_key", "service_account_id")
    op.drop_column("api_key", "project_id")
    for table in (
        "project_cursor",
        "usage_project_total",
        "project_member",
        "service_account",
        "project",
    ):
        op.drop_table(table)


def _moment(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _project() -> None:
    op.create_table(
        "project",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("daily_budget_nano", sa.BigInteger(), nullable=True),
        sa.Column("monthly_budget_nano", sa.BigInteger(), nullable=True),
        sa.Column("total_budget_nano", sa.BigInteger(), nullable=True),
        sa.Column("alert_percentages", postgresql.JSONB(), nullable=True),
        _moment("budgets_set_at", nullable=True),
        _moment("created_at"),
        _moment("archived_at", nullable=True),
        sa.CheckConstraint(
            "archived_at is null or id <> account_id", name="ck_project_default_is_active"
        ),
        sa.CheckConstraint(
            "daily_budget_nano >= 0 and monthly_budget_nano >= 0 and total_budget_nano >= 0",
            name="ck_project_budgets_not_negative",
        ),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_project_account_id"),
        sa.PrimaryKeyConstraint("id", name="pk_project"),
    )
    op.create_index("ix_project_account_id", "project", ["account_id"])
    op.create_index(
        "ix_project_budgets_set_at",
        "project",
        ["budgets_set_at"],
        postgresql_where=sa.text("budgets_set_at is not null"),
    )
    op.create_index(
        "uq_project_account_id_name",
        "project",
        ["account_id", sa.text("lower(name)")],
        unique=True,
        postgresql_where=sa.text("archived_at is null"),
    )


def _service_account() -> None:
    op.create_table(
        "service_account",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        _moment("created_at"),
        _moment("deleted_at", nullable=True),
        sa.CheckConstraint("role in ('owner', 'member')", name="ck_service_account_role"),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_service_account_account_id"
        ),
        sa.ForeignKeyConstraint(
            ["project_id"], ["project.id"], name="fk_service_account_project_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_service_account"),
    )
    op.create_index("ix_service_account_account_id", "service_account", ["account_id"])
    op.create_index(
        "uq_service_account_project_id_name",
        "service_account",
        ["project_id", sa.text("lower(name)")],
        unique=True,
        postgresql_where=sa.text("deleted_at is null"),
    )


def _project_member() -> None:
    op.create_table(
        "project_member",
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        _moment("created_at"),
        sa.CheckConstraint("role in ('owner', 'member')", name="ck_project_member_role"),
        sa.ForeignKeyConstraint(
            ["project_id"], ["project.id"], name="fk_project_member_project_id"
        ),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name="fk_project_member_person_id"),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_project_member_account_id"
        ),
        sa.PrimaryKeyConstraint("project_id", "person_id", name="pk_project_member"),
    )
    op.create_index("ix_project_member_person_id", "project_member", ["person_id"])
    op.create_index("ix_project_member_account_id", "project_member", ["account_id"])


def _usage_project_total() -> None:
    op.create_table(
        "usage_project_total",
        sa.Column("period_id", sa.Uuid(), nullable=False),
        _moment("hour"),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("plan_version_id", sa.Uuid(), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("settlement", sa.Text(), nullable=False),
        sa.Column("late", sa.Boolean(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in _METERS),
        sa.PrimaryKeyConstraint(
            "period_id",
            "hour",
            "model",
            "plan_version_id",
            "key_id",
            "operation",
            "settlement",
            "late",
            "project_id",
            name="pk_usage_project_total",
        ),
    )
    op.create_index(
        "ix_usage_project_total_account_id_hour", "usage_project_total", ["account_id", "hour"]
    )
    op.create_table(
        "project_cursor",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("consumed", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("id = 1", name="ck_project_cursor_single_row"),
        sa.PrimaryKeyConstraint("id", name="pk_project_cursor"),
    )
    op.execute("insert into project_cursor (id, consumed) select 1, consumed from usage_cursor")
