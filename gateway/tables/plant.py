"""Tables of the plant model: assets, points with their mappings, other entities, and relations.

Codes of assets and entities, and tags of points, are unique within an account among active rows, so
an import can be repeated. Retired rows stay for history. Relations and mappings append: a change
ends the old row (`valid_to`) and adds a new one.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, LargeBinary, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from billing.tables.base import moment

LEVELS = ("enterprise", "site", "area", "work_center", "work_unit", "equipment", "component")
DATA_TYPES = ("number", "boolean", "text")
MAPPING_STATUSES = ("unmapped", "proposed", "confirmed")
ENTITY_KINDS = (
    "material",
    "order",
    "failure_mode",
    "cause",
    "effect",
    "remedy",
    "document",
    "work_order",
    "fmea_item",
)
NODE_KINDS = ("asset", "point", *ENTITY_KINDS)
SOURCES = ("manual", "csv", "excel", "brick", "aas", "nodeset", "model")


def _one_of(column: str, values: tuple[str, ...]) -> CheckConstraint:
    """Return the check that a column has one of these values."""
    texts = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} in ({texts})", name=f"{column}_known")


def _active_key(table: str, column: str, *more: str) -> Index:
    """Return the unique index of a key among the active rows of an account."""
    return Index(
        f"uq_{table}_{column}",
        "account_id",
        *more,
        column,
        unique=True,
        postgresql_where=text("retired_at is null"),
    )


class PlantAsset(SQLModel, table=True):
    """An asset in the account's equipment hierarchy (ISA-95).

    `types` maps a scheme (`brick`, `iso14224`, `eclass`) to a class id of it. `properties` maps a
    name to `{"value", "unit", "semantic_id"}` (nameplate and technical data). `global_id` is the
    globally unique id of the asset (AAS `globalAssetId`, OPC UA `ProductInstanceUri`).
    """

    __tablename__ = "plant_asset"
    __table_args__ = (
        _one_of("level", LEVELS),
        CheckConstraint("parent_id <> id", name="not_own_parent"),
        _one_of("source", SOURCES),
        _active_key("plant_asset", "code"),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id", index=True)
    parent_id: UUID | None = Field(default=None, foreign_key="plant_asset.id", index=True)
    level: str = Field(sa_column=Column(Text, nullable=False))
    code: str = Field(sa_column=Column(Text, nullable=False))
    name: str = Field(sa_column=Column(Text, nullable=False))
    types: dict[str, str] = Field(sa_column=Column(JSONB, nullable=False))
    properties: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    global_id: str | None = Field(default=None, sa_column=Column(Text))
    source: str = Field(sa_column=Column(Text, nullable=False))
    created_at: datetime = Field(sa_column=moment())
    updated_at: datetime = Field(sa_column=moment())
    retired_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))


class PlantPoint(SQLModel, table=True):
    """A measured, computed or written value of an asset, with its current mapping.

    `unit` is a unit of pint's registry or empty; `low` and `high` bound plausible values in that
    unit. `mapping_status` says who chose `concept_scheme` and `concept_id`: nobody, a model with
    `probability`, or a person.
    """

    __tablename__ = "plant_point"
    __table_args__ = (
        _one_of("data_type", DATA_TYPES),
        _one_of("mapping_status", MAPPING_STATUSES),
        CheckConstraint(
            "(concept_id = '') = (mapping_status = 'unmapped')", name="concept_if_mapped"
        ),
        CheckConstraint("probability between 0 and 1", name="probability_in_range"),
        _one_of("source", SOURCES),
        _active_key("plant_point", "tag"),
        Index("ix_plant_point_mapping_status", "account_id", "mapping_status", "probability"),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id", index=True)
    asset_id: UUID | None = Field(default=None, foreign_key="plant_asset.id", index=True)
    tag: str = Field(sa_column=Column(Text, nullable=False))
    name: str = Field(sa_column=Column(Text, nullable=False))
    unit: str = Field(sa_column=Column(Text, nullable=False))
    data_type: str = Field(sa_column=Column(Text, nullable=False))
    low: float | None = None
    high: float | None = None
    concept_scheme: str = Field(sa_column=Column(Text, nullable=False))
    concept_id: str = Field(sa_column=Column(Text, nullable=False))
    probability: float | None = None
    mapping_status: str = Field(sa_column=Column(Text, nullable=False))
    source: str = Field(sa_column=Column(Text, nullable=False))
    created_at: datetime = Field(sa_column=moment())
    updated_at: datetime = Field(sa_column=moment())
    retired_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))


class PlantPointMapping(SQLModel, table=True):
    """One entry in the mapping history of a point: concept, unit and asset during a period.

    `actor` is the person, key or model version that made the entry. `proposal` has what a model
    proposed beside the concept: score, unit and asset with their probabilities.
    """

    __tablename__ = "plant_point_mapping"
    __table_args__ = (
        _one_of("mapping_status", MAPPING_STATUSES),
        CheckConstraint("valid_to is null or valid_to >= valid_from", name="valid_period"),
        Index("ix_plant_point_mapping_point_id", "point_id", "valid_from"),
        Index(
            "ix_plant_point_mapping_confirmed",
            "account_id",
            "valid_from",
            postgresql_where=text("mapping_status = 'confirmed'"),
        ),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id", index=True)
    point_id: UUID = Field(foreign_key="plant_point.id")
    asset_id: UUID | None = Field(default=None, foreign_key="plant_asset.id")
    unit: str = Field(sa_column=Column(Text, nullable=False))
    concept_scheme: str = Field(sa_column=Column(Text, nullable=False))
    concept_id: str = Field(sa_column=Column(Text, nullable=False))
    probability: float | None = None
    mapping_status: str = Field(sa_column=Column(Text, nullable=False))
    actor: str = Field(sa_column=Column(Text, nullable=False))
    valid_from: datetime = Field(sa_column=moment())
    valid_to: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    proposal: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB))


class PlantEntity(SQLModel, table=True):
    """A node that is neither asset nor point, such as a material, an order or a failure mode."""

    __tablename__ = "plant_entity"
    __table_args__ = (
        _one_of("kind", ENTITY_KINDS),
        _one_of("source", SOURCES),
        _active_key("plant_entity", "code", "kind"),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id", index=True)
    kind: str = Field(sa_column=Column(Text, nullable=False))
    code: str = Field(sa_column=Column(Text, nullable=False))
    name: str = Field(sa_column=Column(Text, nullable=False))
    properties: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    source: str = Field(sa_column=Column(Text, nullable=False))
    created_at: datetime = Field(sa_column=moment())
    updated_at: datetime = Field(sa_column=moment())
    retired_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))


class PlantRelation(SQLModel, table=True):
    """A statement about two nodes: subject, predicate, object, with provenance and validity.

    Nodes are rows of `plant_asset`, `plant_point` or `plant_entity`; the kinds say of which.
    """

    __tablename__ = "plant_relation"
    __table_args__ = (
        _one_of("subject_kind", NODE_KINDS),
        _one_of("object_kind", NODE_KINDS),
        _one_of("source", SOURCES),
        CheckConstraint("confidence between 0 and 1", name="confidence_in_range"),
        CheckConstraint("valid_to is null or valid_to >= valid_from", name="valid_period"),
        Index("ix_plant_relation_subject_id", "subject_id", "predicate"),
        Index("ix_plant_relation_object_id", "object_id", "predicate"),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id", index=True)
    subject_kind: str = Field(sa_column=Column(Text, nullable=False))
    subject_id: UUID
    predicate: str = Field(sa_column=Column(Text, nullable=False))
    object_kind: str = Field(sa_column=Column(Text, nullable=False))
    object_id: UUID
    confidence: float
    source: str = Field(sa_column=Column(Text, nullable=False))
    created_at: datetime = Field(sa_column=moment())
    valid_from: datetime = Field(sa_column=moment())
    valid_to: datetime | None = Field(default=None, sa_column=moment(nullable=True))


class PlantRevision(SQLModel, table=True):
    """The number of changes of an account's plant model, for caches and entity tags."""

    __tablename__ = "plant_revision"

    account_id: UUID = Field(
        sa_column=Column(ForeignKey("account.id"), primary_key=True, nullable=False)
    )
    revision: int


class PlantImport(SQLModel, table=True):
    """An import of a plant model: the preview of a file, and whether it was applied.

    A file that is read after its request has the status `reading`, then `previewed` or `failed`.

    `content` is the compressed model, empty once it is applied. `revision` is that of the plant
    model with which the preview was made. `summary` has counts, the first changes and notes.
    """

    __tablename__ = "plant_import"
    __table_args__ = (
        _one_of("status", ("previewed", "applied", "reading", "failed")),
        _one_of("mode", ("merge", "replace")),
        _one_of("source", SOURCES),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id", index=True)
    status: str = Field(sa_column=Column(Text, nullable=False))
    mode: str = Field(sa_column=Column(Text, nullable=False))
    source: str = Field(sa_column=Column(Text, nullable=False))
    file_name: str = Field(sa_column=Column(Text, nullable=False))
    revision: int
    content: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    summary: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    actor: str = Field(sa_column=Column(Text, nullable=False))
    created_at: datetime = Field(sa_column=moment())
    applied_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
