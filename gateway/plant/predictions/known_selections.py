"""Which points the inputs of a model come from, kept from call to call.

Asset, points and mapped inputs change rarely, but four statements read them. One statement reads
the newest values together with the state of the plant model, which says whether they have changed.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import numpy as np
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.plant.predictions.values import (
    AssetRequest,
    InputOrigin,
    PointReadings,
    Selection,
)
from gateway.plant.readings.quality import BAD
from models.signature import Signature

# Of each gateway process; one is a few kilobytes.
_MAX_KEPT = 2_000
_SELECT_STATE = text("""
    select (select revision from plant_revision where account_id = :account_id) as revision,
           (select md5(string_agg(concat_ws(E'\\n', input, concept_id, tag), E'\\n' order by input))
            from plant_model_input where account_id = :account_id and model = :model) as mapped,
           point_id, last_us, last_value, last_status
    from (select 1) as always
    left join plant_reading_series
      on account_id = :account_id and point_id = any(:point_ids)
""")
State = tuple[int | None, str | None]
Key = tuple[UUID, str, str, tuple[tuple[str, str], ...], frozenset[str]]


@dataclass(frozen=True, slots=True)
class KnownSelection:
    """The points of an asset for the inputs of a model, at a state of the plant model."""

    state: State
    asset_id: UUID
    asset_code: str
    signature: Signature
    selection: Selection

    @property
    def point_ids(self) -> list[UUID]:
        """The points of the inputs."""
        return [one.point.id for one in self.selection.chosen if one.point is not None]

    def for_request(self, request: AssetRequest) -> Selection:
        """Return the selection with the constants of another request for the same inputs."""
        chosen = tuple(
            replace(one, constant=request.values[one.field])
            if one.origin is InputOrigin.CONSTANT
            else one
            for one in self.selection.chosen
        )
        return replace(self.selection, chosen=chosen)


class KnownSelections:
    """The selections of one gateway process, the one that was unused for longest leaves first."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Key, KnownSelection] = OrderedDict()

    def find(self, key: Key, signature: Signature) -> KnownSelection | None:
        """Return a selection for a model with this signature; its state is to be compared."""
        known = self._kept.get(key)
        if known is None or known.signature != signature:
            return None
        self._kept.move_to_end(key)
        return known

    def keep(self, key: Key, known: KnownSelection) -> None:
        """Keep a selection in place of an earlier one."""
        self._kept[key] = known
        self._kept.move_to_end(key)
        while len(self._kept) > _MAX_KEPT:
            self._kept.popitem(last=False)


def key_of(account_id: UUID, model: str, request: AssetRequest) -> Key:
    """Return what a selection depends on, besides the plant model and the model's signature."""
    inputs = tuple(sorted(request.inputs.items()))
    return account_id, request.asset, model, inputs, frozenset(request.values)


async def read_state(
    session: AsyncSession, account_id: UUID, model: str, point_ids: Sequence[UUID]
) -> tuple[State, Mapping[UUID, PointReadings]]:
    """Return the state on which selections depend, and the newest usable readings of points.

    The state is read before what depends on it: a later change shows as another state.
    """
    parameters = {"account_id": account_id, "model": model, "point_ids": list(point_ids)}
    rows = (await session.execute(_SELECT_STATE, parameters)).all()
    readings = {
        row.point_id: PointReadings(
            np.array([row.last_us]), np.array([row.last_value], dtype=np.float64)
        )
        for row in rows
        if row.last_value is not None and row.last_status < BAD
    }
    return (rows[0].revision, rows[0].mapped), readings
