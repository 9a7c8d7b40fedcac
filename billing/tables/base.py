"""Constraint naming convention and the timestamp column shared by all tables."""

from datetime import datetime

from sqlalchemy import Column, DateTime
from sqlmodel import SQLModel

# Explicit names, so that migrations can refer to constraints.
NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
SQLModel.metadata.naming_convention = NAMES


def moment(*, nullable: bool = False) -> Column[datetime]:
    """Return a `timestamptz` column for UTC instants."""
    return Column(DateTime(timezone=True), nullable=nullable)
