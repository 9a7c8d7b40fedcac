"""Items of an FMEA as a kind of entity, and an index of verdicts.

The previous version does not know the kind `fmea_item`: import an FMEA after all processes are
updated."""

from alembic import op

revision = "0077"
down_revision = "0076"
branch_labels = None
depends_on = None

_BEFORE = (
    "'material', 'order', 'failure_mode', 'cause', 'effect', 'remedy', 'document', 'work_order'"
)
_AFTER = f"{_BEFORE}, 'fmea_item'"
_NODES = "'asset', 'point', "


def upgrade() -> None:
    _set_kinds(_AFTER)
    op.create_index("ix_plant_verdict_account_id_id", "plant_verdict", ["account_id", "id"])


def _set_kinds(kinds: str) -> None:
    """Replace the checks of the kinds of entities and nodes."""
    for table, column, values in (
        ("plant_entity", "kind", kinds),
        ("plant_relation", "subject_kind", _NODES + kinds),
        ("plant_relation", "object_kind", _NODES + kinds),
    ):
        name = f"ck_{table}_{column}_known"
        op.drop_constraint(name, table, type_="check")
        op.create_check_constraint(name, table, f"{column} in ({values})")


def downgrade() -> None:
    op.drop_index("ix_plant_verdict_account_id_id", table_name="plant_verdict")
    op.execute(
        "delete from plant_relation where subject_kind = 'fmea_item' or object_kind = 'fmea_item'"
    )
    op.execute("delete from plant_entity where kind = 'fmea_item'")
    _set_kinds(_BEFORE)
