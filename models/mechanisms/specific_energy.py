"""Specific energy per produced unit, an energy performance indicator: ISO 50006:2014."""

from models.mechanisms.mechanism import Mechanism, quantity, result
from models.signature import Columns


class SpecificEnergy(Mechanism):
    """Specific energy (energy over quantity) and its improvement on the baseline."""

    standard = "ISO 50006:2014"
    version = "1"
    inputs = (
        quantity("energy", "kWh", "Used in the period", 0.0, 1e12),
        quantity("quantity", "pcs", "Made in the period", 1e-6, 1e12),
        quantity("baseline", "kWh/pcs", "Specific energy to compare with", 1e-9, 1e9),
    )
    outputs = (
        result("specific_energy", "kWh/pcs", "Energy over quantity"),
        result("improvement", "%", "How far it lies below the baseline; negative where above"),
    )

    def compute(self, columns: Columns) -> Columns:
        """Compute the energy per produced unit and its improvement on the baseline in %."""
        specific = columns["energy"] / columns["quantity"]
        return {
            "specific_energy": specific,
            "improvement": 100 * (1 - specific / columns["baseline"]),
        }
