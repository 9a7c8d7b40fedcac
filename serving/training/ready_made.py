"""Load a ready-made model in the process of a training, which is compared with it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from models.adaptation import AdaptFunction
from models.series.class_adapt import ClassAdapter
from models.series.life.adapt import LifeAdapter
from models.signature import Columns, Signature, validate_columns
from models.tabular.adapt import TabularAdapter
from serving.errors import InputInvalid
from serving.specialists.loader import FITTED, ModelSource, load_specialist
from serving.specialists.open_inference import NUMPY_DTYPES
from serving.specialists.specialist import MAX_ROWS, Specialist


@dataclass(frozen=True, slots=True)
class ReadyMadeSpecialist:
    """A specialist that is run on the rows of a training."""

    specialist: Specialist

    @property
    def signature(self) -> Signature:
        """The inputs and outputs."""
        return self.specialist.signature

    def predict(self, columns: Columns) -> Columns:
        """Return the outputs of rows, MAX_ROWS at a time. Raises InputInvalid."""
        rows = len(next(iter(columns.values())))
        parts = [
            self._predict(
                {name: column[start : start + MAX_ROWS] for name, column in columns.items()}
            )
            for start in range(0, rows, MAX_ROWS)
        ]
        return {
            name: np.concatenate([part[name] for part in parts])
            for name in (field.name for field in self.signature.outputs)
        }

    def _predict(self, columns: Columns) -> Columns:
        """Return the outputs of some rows."""
        texts = np.dtype(object)
        types = {one.name: NUMPY_DTYPES.get(one.datatype, texts) for one in self.signature.inputs}
        typed = {name: column.astype(types[name]) for name, column in columns.items()}
        valid = validate_columns(self.signature, typed, {})
        self.specialist.check(valid)
        return self.specialist.run(valid)


def open_ready_made(name: str, source: ModelSource) -> ReadyMadeSpecialist:
    """Load a ready-made model. Raises WeightsBroken."""
    return ReadyMadeSpecialist(load_specialist(name, source))


def with_ready_made(adapter: AdaptFunction, sources: Mapping[str, ModelSource]) -> AdaptFunction:
    """Return the training function with the ready-made model that its schema names, if any.

    `sources` are those of this cluster's models. Raises InputInvalid if it is none of them, or one
    that only customers train.
    """
    if (
        not isinstance(adapter, TabularAdapter | ClassAdapter | LifeAdapter)
        or adapter.schema.ready_made is None
    ):
        return adapter
    name = adapter.schema.ready_made.model
    source = sources.get(name)
    if source is None or source.adapter in FITTED or not source.location:
        raise InputInvalid(
            f"{name!r} is no ready-made model of this deployment.", param="schema.ready_made.model"
        )
    return replace(adapter, ready_made=partial(open_ready_made, name, source))
