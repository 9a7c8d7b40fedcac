"""Imports of plant models whose file is read after the request: `reading` and `failed`.

The previous version neither writes nor expects these statuses; they are removed on the way back."""

from alembic import op

revision = "0089"
down_revision = "0088"
branch_labels = None
depends_on = None

_NAME = "ck_plant_import_status_known"


def upgrade() -> None:
    _replace("status in ('previewed', 'applied', 'reading', 'failed')")


def downgrade() -> None:
    op.execute("delete from plant_import where status in ('reading', 'failed')")
    _replace("status in ('previewed', 'applied')")


def _replace(condition: str) -> None:
    """Replace the check of the status."""
    op.drop_constraint(_NAME, "plant_import", type_="check")
    op.create_check_constraint(_NAME, "plant_import", condition)
