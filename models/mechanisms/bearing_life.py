"""Rating life of a rolling bearing: ISO 281:2007.

Basic and modified rating life, at constant load and speed.
"""

import numpy as np

from models.mechanisms.mechanism import (
    Floats,
    Mechanism,
    Relation,
    choice,
    quantity,
    result,
)
from models.signature import Columns

ROLLER = "roller"
# Table 12: reliability in percent and factor a1, linearly interpolated; the deviation from the
# Weibull line through the rows is at most 0.01.
RELIABILITY = (90.0, 95.0, 96.0, 97.0, 98.0, 99.0)
A1 = (1.0, 0.64, 0.55, 0.47, 0.37, 0.25)
# Maximum P/C: above it contact is no longer elastic, and the standard refers to the manufacturer.
MAX_LOAD_RATIO = 0.5


class BearingLife(Mechanism):
    """Rating life of a bearing: L10 = (C/P)^p million revolutions, Lnm = a1 · aISO · L10."""

    standard = "ISO 281:2007"
    version = "1"
    inputs = (
        choice("bearing", "Rolling elements: point contact or line contact", ("ball", ROLLER)),
        quantity("dynamic_load_rating", "N", "Basic dynamic load rating C", 10.0, 1e8),
        quantity("equivalent_load", "N", "Dynamic equivalent load P", 1.0, 1e8),
        quantity("rotational_speed", "rpm", "Speed of the ring that turns", 0.01, 1e6),
        quantity("reliability", "%", "Share of bearings that live at least so long", 90.0, 99.0),
        quantity("a_iso", "1", "Life modification factor aISO; 1 where unknown", 0.1, 50.0),
    )
    outputs = (
        result("basic_rating_time", "h", "L10 at the given speed"),
        result("basic_rating_life", "Mr", "L10, million revolutions"),
        result("modified_rating_time", "h", "Lnm at the given speed"),
        result("modified_rating_life", "Mr", "Lnm, million revolutions"),
    )
    relations = (
        Relation(
            "equivalent_load",
            lambda row: row["equivalent_load"] > MAX_LOAD_RATIO * row["dynamic_load_rating"],
            "is more than half the dynamic load rating, for which ISO 281 gives no life",
        ),
    )

    def compute(self, columns: Columns) -> Columns:
        """Compute basic and modified rating life, each in million revolutions and in hours."""
        exponent = np.where(columns["bearing"] == ROLLER, 10 / 3, 3.0)
        basic = (columns["dynamic_load_rating"] / columns["equivalent_load"]) ** exponent
        modified = np.interp(columns["reliability"], RELIABILITY, A1) * columns["a_iso"] * basic
        return {
            "basic_rating_time": _life_in_hours(basic, columns["rotational_speed"]),
            "basic_rating_life": basic,
            "modified_rating_time": _life_in_hours(modified, columns["rotational_speed"]),
            "modified_rating_life": modified,
        }


def _life_in_hours(million_revolutions: Floats, rpm: Floats) -> Floats:
    """Convert a life in million revolutions to hours, at a speed in revolutions per minute."""
    return million_revolutions * 1e6 / (60 * rpm)
