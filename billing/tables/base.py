"""What all tables share: how constraints are named, and a column for a moment."""

from datetime import datetime

from sqlalchemy import Column, DateTime
from sqlmodel import SQLModel

# Explicit names, so that a migration can name what it changes.
NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
SQLModel.metadata.naming_convention = NAMES


def moment(*, nullable: bool = False) -> Column[datetime]:
    """A column of UTC instants."""
    return Column(DateTime(timezone=True), nullable=nullable)
