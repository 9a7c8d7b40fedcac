"""A learned schedule as a file, bound to the asset and the installation that it was learned for."""

import hashlib
import json
from typing import Any

import msgspec
import numpy as np

from models.policies.scheduling.controllers import LearnedSchedule
from models.policies.scheduling.fitted_q import ActionValues
from models.policies.scheduling.pumping import Installation
from models.policies.scheduling.shield import Shield

FORMAT = "maas.schedule.v1"
# Costs of a hundredth of the currency's unit decide nothing.
_DECIMALS = 3


class PolicyFileInvalid(ValueError):
    """A file that is no schedule of this installation; the message says why."""


class _Content(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: str
    asset: str
    installation: str
    grid: list[float]
    costs: list[Any]
    floors: list[list[float]]
    ceilings: list[float]


def fingerprint(installation: Installation) -> str:
    """Return the SHA-256 of levels, pumps and prices; any change to them gives another one."""
    text = json.dumps(msgspec.to_builtins(installation), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def write_policy(schedule: LearnedSchedule, installation: Installation, asset: str) -> bytes:
    """Return the file of a schedule, JSON."""
    values, shield = schedule.values, schedule.shield
    return msgspec.json.encode(
        _Content(
            FORMAT,
            asset,
            fingerprint(installation),
            values.grid.tolist(),
            values.costs.round(_DECIMALS).tolist(),
            shield.floors.tolist(),
            shield.ceilings.tolist(),
        )
    )


def read_policy(content: bytes, installation: Installation, asset: str) -> LearnedSchedule:
    """Return the schedule of a file. Raises PolicyFileInvalid for one of another plant."""
    try:
        read = msgspec.json.decode(content, type=_Content)
    except msgspec.DecodeError as error:
        raise PolicyFileInvalid(f"The file is not a learned schedule: {error}.") from error
    if read.format != FORMAT:
        raise PolicyFileInvalid(f"The file has the format `{read.format}`, not `{FORMAT}`.")
    if read.asset != asset:
        raise PolicyFileInvalid(f"The schedule was learned for the asset {read.asset}.")
    if read.installation != fingerprint(installation):
        raise PolicyFileInvalid(
            "The schedule was learned for other levels, pumps or prices. Learn it again."
        )
    return _schedule(read, installation)


def _schedule(read: _Content, installation: Installation) -> LearnedSchedule:
    """Return the schedule of a file's arrays. Raises PolicyFileInvalid for other shapes."""
    try:
        arrays = [
            np.array(values, dtype=np.float64)
            for values in (read.grid, read.costs, read.floors, read.ceilings)
        ]
    except (TypeError, ValueError) as error:
        raise PolicyFileInvalid("The file has an array that is no table of numbers.") from error
    grid, costs, floors, ceilings = arrays
    slots, actions = installation.slots, installation.pumps.actions
    shapes = [(len(grid),), (slots, len(grid), actions, actions), (slots, actions), (actions,)]
    if [array.shape for array in arrays] != shapes or not all(
        np.isfinite(array).all() for array in arrays
    ):
        raise PolicyFileInvalid("The arrays of the file do not fit each other.")
    return LearnedSchedule(ActionValues(grid, costs), Shield(floors, ceilings))
