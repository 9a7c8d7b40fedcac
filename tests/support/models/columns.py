"""The columns of the built-in specialists and mechanisms, by task."""

from models.condition.signature import SENSOR_SPECS as RIG
from models.failure_class.signature import training_file_signature
from models.mechanisms import MECHANISMS
from models.plate_fault.signature import LIMITS
from models.rul.signature import input_signature
from models.signature import InputField
from serving.specialists.tag_alignment import SIGNATURE as TAGS

FIELDS: dict[str, tuple[InputField, ...]] = {
    **{name: mechanism.inputs for name, mechanism in MECHANISMS.items()},
    "machine_failure": training_file_signature().inputs,
    "remaining_life": input_signature().inputs,
    "hydraulic_condition": tuple(
        InputField(
            name, "FP32", one.unit, one.description, one.minimum, one.maximum, length=(60, 60)
        )
        for name, one in RIG.items()
    ),
    "plate_fault": tuple(
        InputField(name, "FP32", one.unit, one.description, one.minimum, one.maximum)
        for name, one in LIMITS.items()
    ),
    "tag_concept": TAGS.inputs,
}
