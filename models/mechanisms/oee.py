"""Overall equipment effectiveness (OEE): ISO 22400-2:2014."""

from models.mechanisms.mechanism import Mechanism, Relation, quantity, result
from models.signature import Columns


class OverallEquipmentEffectiveness(Mechanism):
    """Overall equipment effectiveness: availability · effectiveness · quality ratio."""

    standard = "ISO 22400-2:2014"
    version = "1"
    inputs = (
        quantity("planned_busy_time", "min", "Time planned for production, PBT", 1e-3, 1e7),
        quantity("actual_production_time", "min", "Time in which it produced, APT", 1e-3, 1e7),
        quantity("planned_run_time", "min/pcs", "Planned time for one item, PRI", 1e-6, 1e6),
        quantity("produced_quantity", "pcs", "Items made, good or not, PQ", 1e-6, 1e10),
        quantity("good_quantity", "pcs", "Items good at the first time, GQ", 0.0, 1e10),
    )
    outputs = (
        result("oee", "1", "Availability · effectiveness · quality ratio"),
        result("availability", "1", "APT / PBT"),
        result("effectiveness", "1", "PRI · PQ / APT, called performance as well"),
        result("quality_ratio", "1", "GQ / PQ"),
    )
    relations = (
        Relation(
            "actual_production_time",
            lambda row: row["actual_production_time"] > row["planned_busy_time"],
            "is longer than the planned busy time",
        ),
        Relation(
            "good_quantity",
            lambda row: row["good_quantity"] > row["produced_quantity"],
            "is more than was produced",
        ),
    )

    def compute(self, columns: Columns) -> Columns:
        """Compute availability, effectiveness, quality ratio and their product, the OEE."""
        produced, time = columns["produced_quantity"], columns["actual_production_time"]
        availability = time / columns["planned_busy_time"]
        effectiveness = columns["planned_run_time"] * produced / time
        quality = columns["good_quantity"] / produced
        return {
            "oee": availability * effectiveness * quality,
            "availability": availability,
            "effectiveness": effectiveness,
            "quality_ratio": quality,
        }
