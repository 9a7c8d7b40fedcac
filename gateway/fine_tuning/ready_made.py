"""Ready-made models that a training can be compared with: proposals, and check of a mapping."""

import asyncio
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any
from uuid import UUID

from gateway.call.errors import ModelNotFound, ParameterInvalid, Unavailable
from gateway.call.values import ResolvedModel
from gateway.upstream.availability import Availability
from gateway.upstream.signatures import Signatures
from models.catalog import Model
from models.own_columns import COMPARED, OF_ROWS, OWN_COLUMNS
from models.ready_made.mapping import choose_output, map_rows
from models.ready_made.proposal import (
    FileColumn,
    MappingProposal,
    propose_mapping,
    read_lexicon,
)
from models.ready_made.windows import require_mappable
from models.signature import InputInvalid, Signature
from models.tables.columns import Kind
from models.tables.reading import read_table
from models.tables.schema import Role, SchemaRequest, infer_schema
from models.tabular.data import Goal
from models.tag_align.naming import Lexicon

_PARAM = "schema.ready_made"


class ReadyMadeModels:
    """The ready-made models that this gateway process can compare a training with."""

    def __init__(self, availability: Availability, signatures: Signatures) -> None:
        self._availability = availability
        self._signatures = signatures

    async def propose(
        self, model: Model, account_id: UUID, schema: Mapping[str, Any] | None
    ) -> Sequence[Mapping[str, Any]]:
        """Return the models that a table has columns for, as JSON, best first.

        `schema` describes the table's columns, None for a file that is no table. Each proposal can
        be sent back as `schema.ready_made` after a check, without `missing`.
        """
        if schema is None or model.adapter not in COMPARED:
            return ()
        columns = [
            _file_column(one) for one in schema["columns"] if one["role"] != Role.IGNORED.value
        ]
        found = [
            propose_mapping(one.id, signature, columns, self._lexicon, model.adapter not in OF_ROWS)
            for one in self._of_task(model)
            if (signature := await self._signature(one, account_id)) is not None
        ]
        likely = sorted(filter(lambda one: one.is_likely, found), key=_found_share, reverse=True)
        return [_proposal_json(one) for one in likely]

    async def require_mapped(
        self, account_id: UUID, model: Model, content: bytes, schema: SchemaRequest
    ) -> None:
        """Raise unless the schema's ready-made model can be run on the rows of a file.

        Raises ModelNotFound, Unavailable, ParameterInvalid, TrainingFileInvalid.
        """
        stated = schema.ready_made
        if stated is None:
            return
        ready_made = next((one for one in self._of_task(model) if one.id == stated.model), None)
        if ready_made is None:
            raise ModelNotFound(
                f"{stated.model[:200]!r} is no ready-made model that {model.id!r} can be compared "
                "with.",
                param=f"{_PARAM}.model",
            )
        signature = await self._signature(ready_made, account_id)
        if signature is None:
            raise Unavailable(f"The model {stated.model[:200]!r} is not responding. Try again.")
        try:
            await asyncio.to_thread(_require_rows, content, signature, schema, model.adapter or "")
        except InputInvalid as error:
            raise ParameterInvalid(error.message, param=_PARAM) from error

    @cached_property
    def _lexicon(self) -> Lexicon:
        """The terms by which names of columns and inputs are compared."""
        return read_lexicon()

    def _of_task(self, model: Model) -> Sequence[Model]:
        """Return the served models of the task that are ready for use without a training."""
        return [
            one
            for one in self._availability.catalog.models.values()
            if one.task is model.task and one.adapter not in OWN_COLUMNS
        ]

    async def _signature(self, model: Model, account_id: UUID) -> Signature | None:
        """Return the signature of a catalog model, None if its server does not tell it."""
        return await self._signatures.find(ResolvedModel(model, model.id, model.id), account_id)


def _require_rows(
    content: bytes, signature: Signature, schema: SchemaRequest, adapter: str
) -> None:
    """Raise InputInvalid unless the rows of a file fit the model, and it has an output to score."""
    stated, goal = schema.ready_made, COMPARED.get(adapter)
    if stated is None or goal is None:
        return
    table = read_table(content)
    target = infer_schema(table, schema).single(Role.TARGET)
    choose_output(signature, stated.output, target.name if target else "", goal is Goal.CLASS)
    if adapter in OF_ROWS:
        map_rows(table, signature, stated, schema)
    else:
        require_mappable(table, signature, stated, schema)


def _file_column(described: Mapping[str, Any]) -> FileColumn:
    """Return a column of a described schema."""
    low, high = described.get("minimum"), described.get("maximum")
    bounds = None if low is None or high is None else (low, high)
    is_text = described["type"] in (Kind.CATEGORY.value, Kind.TEXT.value)
    return FileColumn(described["name"], is_text, described["unit"], bounds)


def _found_share(proposal: MappingProposal) -> float:
    """Return which share of the inputs has a column."""
    return len(proposal.columns) / (len(proposal.columns) + len(proposal.missing))


def _proposal_json(proposal: MappingProposal) -> Mapping[str, Any]:
    """Return a proposal as JSON."""
    return {
        "model": proposal.model,
        "columns": dict(proposal.columns),
        "missing": list(proposal.missing),
    }
