"""Which rows are normal operation and which are faults, by the labels of a target column."""

from collections import Counter

import numpy as np

from models.adaptation import TrainingFileInvalid
from models.monitoring.components import Flags
from models.problems import single_problem
from models.sentences import sentence
from models.tables.columns import Column
from models.tabular.data import column_labels

NORMAL_WORDS = frozenset(
    """normal ok okay good healthy pass passed no none false 0 n fine 正常 合格 良好 无 否 无故障
    无异常""".split()
)
_MAX_SHOWN = 10


def split_labels(target: Column, stated: str | None) -> tuple[Flags, Flags]:
    """Return which rows are normal and which are faults; rows without a label are neither.

    stated: the label of normal operation, None to find it by its name. Raises TrainingFileInvalid
    if no label says normal.
    """
    labels = ["" if label == "nan" else label.strip() for label in column_labels(target)]
    found = Counter(label for label in labels if label)
    normal = {label for label in found if _is_normal(label, stated)}
    if not normal:
        raise _no_normal_label(target.name, list(found), stated)
    is_normal = np.array([label in normal for label in labels], dtype=np.bool_)
    has_label = np.array([label != "" for label in labels], dtype=np.bool_)
    return is_normal, has_label & ~is_normal


def _is_normal(label: str, stated: str | None) -> bool:
    """Return whether a label says normal operation."""
    return label == stated if stated else label.lower() in NORMAL_WORDS


def _no_normal_label(name: str, labels: list[str], stated: str | None) -> TrainingFileInvalid:
    """Return the error of a target without a label of normal operation."""
    shown = ", ".join(label[:40] for label in labels[:_MAX_SHOWN])
    what = repr(stated[:40]) if stated else sentence("normal operation")
    message = sentence(
        "No label of {name} says {what}; it has: {shown}.", name=repr(name), what=what, shown=shown
    )
    fix = sentence(
        "Name the label of normal operation in `schema.normal`, or state an empty `schema.target`: "
        "then all rows are taken as normal."
    )
    return TrainingFileInvalid(message, problems=single_problem("no_normal_label", message, fix))
