"""What a look for work asks of the database: one SQL condition for each queue.

`Moment` stands for the two values of a look, the time and the process that would claim rows, so
that one prepared statement serves all looks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    DateTime,
    Select,
    Uuid,
    bindparam,
    exists,
    select,
)
from sqlalchemy.engine import make_url

TimeValue = datetime | ColumnElement[datetime]
"""A time, or one that is given to the statement later."""
ProcessValue = UUID | ColumnElement[UUID]
"""The id of a process, or one that is given to the statement later."""
DueRows = Select[Any]
"""Selects the rows of a queue that are due; whether there is one is all that is asked."""


@dataclass(frozen=True, slots=True)
class Moment:
    """The time of a look, and the process that would claim what is due."""

    now: BindParameter[datetime]
    process_id: BindParameter[UUID]


MOMENT = Moment(
    bindparam("now", required=False, type_=DateTime(timezone=True)),
    bindparam("process_id", required=False, type_=Uuid()),
)


class LookStatement:
    """One statement that says of several queues whether work is due (infra/database/direct.py)."""

    def __init__(self, queues: Sequence[DueRows]) -> None:
        query = select(*(exists(one).label(f"queue_{number}") for number, one in enumerate(queues)))
        dialect = make_url("postgresql+psycopg://").get_dialect()()
        compiled = query.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
        self.text = str(compiled)
        self._constants = {
            name: value.value if isinstance(value, Enum) else value
            for name, value in compiled.params.items()
        }

    def values(self, now: datetime, process_id: UUID) -> dict[str, Any]:
        """Return the values of the statement's placeholders."""
        return {**self._constants, "now": now, "process_id": process_id}
