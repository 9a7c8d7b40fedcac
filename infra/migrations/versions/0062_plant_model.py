"""Plant model: assets, points and their mappings, entities, relations.

The previous version neither reads nor writes these tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0062"
down_revision = "0061"
branch_labels = None
depends_on = None

_LEVELS = "'enterprise', 'site', 'area', 'work_center', 'work_unit', 'equipment', 'component'"
_ENTITY_KINDS = (
    "'material', 'order', 'failure_mode', 'cause', 'effect', 'remedy', 'document', 'work_order'"
)
_TABLES = (
    "plant_revision",
    "plant_relation",
    "plant_entity",
    "plant_point_mapping",
    "plant_point",
    "plant_asset",
)


def upgrade() -> None:
    _create_plant_asset()
    _create_plant_point()
    _create_plant_point_mapping()
    _create_plant_entity()
    _create_plant_relation()
    _create_plant_revision()


def _create_plant_asset() -> None:
    op.create_table(
        "plant_asset",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("types", postgresql.JSONB(), nullable=False),
        sa.Column("properties", postgresql.JSONB(), nullable=False),
        sa.Column("global_id", sa.Text(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(f"level in ({_LEVELS})", name="ck_plant_asset_level_known"),
        sa.CheckConstraint(
            "source in ('manual', 'csv', 'excel', 'brick', 'aas', 'nodeset', 'model')",
            name="ck_plant_asset_source_known",
        ),
        sa.CheckConstraint("parent_id <> id", name="ck_plant_asset_not_own_parent"),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_plant_asset_account_id"),
        sa.ForeignKeyConstraint(["parent_id"], ["plant_asset.id"], name="fk_plant_asset_parent_id"),
        sa.PrimaryKeyConstraint("id", name="pk_plant_asset"),
    )
    op.create_index("ix_plant_asset_account_id", "plant_asset", ["account_id"], unique=False)
    op.create_index("ix_plant_asset_parent_id", "plant_asset", ["parent_id"], unique=False)
    op.create_index(
        "uq_plant_asset_code",
        "plant_asset",
        ["account_id", "code"],
        unique=True,
        postgresql_where=sa.text("retired_at is null"),
    )


def _create_plant_point() -> None:
    op.create_table(
        "plant_point",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("asset_id", sa.Uuid(), nullable=True),
        sa.Column("tag", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("data_type", sa.Text(), nullable=False),
        sa.Column("low", sa.Float(), nullable=True),
        sa.Column("high", sa.Float(), nullable=True),
        sa.Column("concept_scheme", sa.Text(), nullable=False),
        sa.Column("concept_id", sa.Text(), nullable=False),
        sa.Column("probability", sa.Float(), nullable=True),
        sa.Column("mapping_status", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(concept_id = '') = (mapping_status = 'unmapped')",
            name="ck_plant_point_concept_if_mapped",
        ),
        sa.CheckConstraint(
            "data_type in ('number', 'boolean', 'text')", name="ck_plant_point_data_type_known"
        ),
        sa.CheckConstraint(
            "mapping_status in ('unmapped', 'proposed', 'confirmed')",
            name="ck_plant_point_mapping_status_known",
        ),
        sa.CheckConstraint(
            "source in ('manual', 'csv', 'excel', 'brick', 'aas', 'nodeset', 'model')",
            name="ck_plant_point_source_known",
        ),
        sa.CheckConstraint(
            "probability between 0 and 1", name="ck_plant_point_probability_in_range"
        ),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_plant_point_account_id"),
        sa.ForeignKeyConstraint(["asset_id"], ["plant_asset.id"], name="fk_plant_point_asset_id"),
        sa.PrimaryKeyConstraint("id", name="pk_plant_point"),
    )
    op.create_index("ix_plant_point_account_id", "plant_point", ["account_id"], unique=False)
    op.create_index("ix_plant_point_asset_id", "plant_point", ["asset_id"], unique=False)
    op.create_index(
        "ix_plant_point_mapping_status",
        "plant_point",
        ["account_id", "mapping_status", "probability"],
        unique=False,
    )
    op.create_index(
        "uq_plant_point_tag",
        "plant_point",
        ["account_id", "tag"],
        unique=True,
        postgresql_where=sa.text("retired_at is null"),
    )


def _create_plant_point_mapping() -> None:
    op.create_table(
        "plant_point_mapping",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("point_id", sa.Uuid(), nullable=False),
        sa.Column("asset_id", sa.Uuid(), nullable=True),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("concept_scheme", sa.Text(), nullable=False),
        sa.Column("concept_id", sa.Text(), nullable=False),
        sa.Column("probability", sa.Float(), nullable=True),
        sa.Column("mapping_status", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_to", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "mapping_status in ('unmapped', 'proposed', 'confirmed')",
            name="ck_plant_point_mapping_mapping_status_known",
        ),
        sa.CheckConstraint(
            "valid_to is null or valid_to >= valid_from", name="ck_plant_point_mapping_valid_period"
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_plant_point_mapping_account_id"
        ),
        sa.ForeignKeyConstraint(
            ["asset_id"], ["plant_asset.id"], name="fk_plant_point_mapping_asset_id"
        ),
        sa.ForeignKeyConstraint(
            ["point_id"], ["plant_point.id"], name="fk_plant_point_mapping_point_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_plant_point_mapping"),
    )
    op.create_index(
        "ix_plant_point_mapping_account_id", "plant_point_mapping", ["account_id"], unique=False
    )
    op.create_index(
        "ix_plant_point_mapping_point_id",
        "plant_point_mapping",
        ["point_id", "valid_from"],
        unique=False,
    )


def _create_plant_entity() -> None:
    op.create_table(
        "plant_entity",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("properties", postgresql.JSONB(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(f"kind in ({_ENTITY_KINDS})", name="ck_plant_entity_kind_known"),
        sa.CheckConstraint(
            "source in ('manual', 'csv', 'excel', 'brick', 'aas', 'nodeset', 'model')",
            name="ck_plant_entity_source_known",
        ),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_plant_entity_account_id"),
        sa.PrimaryKeyConstraint("id", name="pk_plant_entity"),
    )
    op.create_index("ix_plant_entity_account_id", "plant_entity", ["account_id"], unique=False)
    op.create_index(
        "uq_plant_entity_code",
        "plant_entity",
        ["account_id", "kind", "code"],
        unique=True,
        postgresql_where=sa.text("retired_at is null"),
    )


def _create_plant_relation() -> None:
    op.create_table(
        "plant_relation",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("subject_kind", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("predicate", sa.Text(), nullable=False),
        sa.Column("object_kind", sa.Text(), nullable=False),
        sa.Column("object_id", sa.Uuid(), nullable=False),
        sa.Column("confidence", sa.Float(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_to", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            f"object_kind in ('asset', 'point', {_ENTITY_KINDS})",
            name="ck_plant_relation_object_kind_known",
        ),
        sa.CheckConstraint(
            "source in ('manual', 'csv', 'excel', 'brick', 'aas', 'nodeset', 'model')",
            name="ck_plant_relation_source_known",
        ),
        sa.CheckConstraint(
            f"subject_kind in ('asset', 'point', {_ENTITY_KINDS})",
            name="ck_plant_relation_subject_kind_known",
        ),
        sa.CheckConstraint(
            "confidence between 0 and 1", name="ck_plant_relation_confidence_in_range"
        ),
        sa.CheckConstraint(
            "valid_to is null or valid_to >= valid_from", name="ck_plant_relation_valid_period"
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_plant_relation_account_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_plant_relation"),
    )
    op.create_index("ix_plant_relation_account_id", "plant_relation", ["account_id"], unique=False)
    op.create_index(
        "ix_plant_relation_object_id", "plant_relation", ["object_id", "predicate"], unique=False
    )
    op.create_index(
        "ix_plant_relation_subject_id", "plant_relation", ["subject_id", "predicate"], unique=False
    )


def _create_plant_revision() -> None:
    op.create_table(
        "plant_revision",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_plant_revision_account_id"
        ),
        sa.PrimaryKeyConstraint("account_id", name="pk_plant_revision"),
    )


def downgrade() -> None:
    for table in _TABLES:
        op.drop_table(table)
