"""What a customer states about a ready-made model, and how it compares with the trained one."""

from dataclasses import dataclass
from typing import Annotated

import msgspec
from msgspec import Meta

from models.evaluation.statistics import Verdict

_Name = Annotated[str, Meta(min_length=1, max_length=200)]
_Names = Annotated[dict[_Name, _Name], Meta(max_length=1000)]


class ReadyMade(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A ready-made model that a training is compared with, as the customer confirmed it.

    `columns` maps its inputs to columns of the file; an input of the same name needs no entry.
    `constants` are values of inputs that the file has no column of. `output` names its output to
    score, empty for the one that is most like the target. `labels` maps its classes to the
    target's, where they differ.
    """

    model: _Name
    columns: _Names = {}
    constants: Annotated[dict[_Name, float | str], Meta(max_length=1000)] = {}
    output: Annotated[str, Meta(max_length=200)] = ""
    labels: _Names = {}


@dataclass(frozen=True, slots=True)
class ReadyMadeScore:
    """The scores of a ready-made and of the trained model on the same held-out rows.

    `interval`, `trained_interval` and `difference_interval` are 95 % intervals. The difference is
    positive where the trained model is better. `trained_is` says what its interval shows.
    """

    model: str
    output: str
    rows: int
    score: float
    interval: tuple[float, float]
    trained: float
    trained_interval: tuple[float, float]
    difference: float
    difference_interval: tuple[float, float]
    trained_is: Verdict
