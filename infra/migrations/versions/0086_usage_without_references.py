"""Usage rows without foreign keys, whose look-ups took a quarter of a commit in PostgreSQL.

Accounts and keys are never deleted, quotas refer to both of a call, and `maas reconcile` checks the
rows. The previous version works without the constraints."""

from alembic import op

revision = "0086"
down_revision = "0085"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_constraint("fk_usage_account_id", "usage", type_="foreignkey")
    op.drop_constraint("fk_usage_key_id", "usage", type_="foreignkey")


def downgrade() -> None:
    op.create_foreign_key("fk_usage_account_id", "usage", "account", ["account_id"], ["id"])
    op.create_foreign_key("fk_usage_key_id", "usage", "api_key", ["key_id"], ["id"])
