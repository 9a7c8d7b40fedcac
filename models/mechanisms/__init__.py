"""Mechanism models: formulas from standards, by the source name used in the catalog."""

from collections.abc import Mapping
from types import MappingProxyType

from models.mechanisms.bearing_life import BearingLife
from models.mechanisms.control_chart import ControlChart
from models.mechanisms.mechanism import Mechanism
from models.mechanisms.motor import MotorEfficiency
from models.mechanisms.oee import OverallEquipmentEffectiveness
from models.mechanisms.process_capability import ProcessCapability
from models.mechanisms.pump import PumpAffinity, PumpEfficiency
from models.mechanisms.specific_energy import SpecificEnergy

MECHANISMS: Mapping[str, Mechanism] = MappingProxyType(
    {
        "bearing_life": BearingLife(),
        "control_chart": ControlChart(),
        "motor_efficiency": MotorEfficiency(),
        "oee": OverallEquipmentEffectiveness(),
        "process_capability": ProcessCapability(),
        "pump_affinity": PumpAffinity(),
        "pump_efficiency": PumpEfficiency(),
        "specific_energy": SpecificEnergy(),
    }
)
