"""What usage rows tell of a refused or failed call beside its code."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0025"
branch_labels = None
depends_on = None

_COLUMNS = {"error_message": 300, "error_param": 100, "requested_model": 100}


def upgrade() -> None:
    for name, longest in _COLUMNS.items():
        op.add_column("usage", sa.Column(name, sa.String(longest), nullable=True))


def downgrade() -> None:
    for name in reversed(_COLUMNS):
        op.drop_column("usage", name)
