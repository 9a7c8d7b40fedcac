"""Labels of the plant model: levels, mapping states, kinds of changes, fields and audit events."""

from collections.abc import Mapping
from types import MappingProxyType

from infra.translations import gettext_noop, pgettext_noop

PLANT_LABELS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "plant_level": {
            "enterprise": gettext_noop("Enterprise"),
            "site": gettext_noop("Site"),
            "area": gettext_noop("Area"),
            "work_center": gettext_noop("Work center"),
            "work_unit": gettext_noop("Work unit"),
            "equipment": gettext_noop("Equipment"),
            "component": gettext_noop("Component"),
        },
        "plant_mapping": {
            "unmapped": gettext_noop("Unmapped"),
            "proposed": gettext_noop("To confirm"),
            "confirmed": gettext_noop("Confirmed"),
        },
        "plant_action": {
            "create": pgettext_noop("plant change", "New"),
            "update": pgettext_noop("plant change", "Changed"),
            "retire": pgettext_noop("plant change", "Retired"),
            "unchanged": pgettext_noop("plant change", "Unchanged"),
        },
        "plant_objects": {
            "assets": gettext_noop("Assets"),
            "points": gettext_noop("Points"),
            "entities": gettext_noop("Other objects"),
            "relations": gettext_noop("Relations"),
        },
        "plant_object": {
            "plant.asset": gettext_noop("Asset"),
            "plant.point": gettext_noop("Point"),
            "plant.entity": gettext_noop("Other object"),
            "plant.relation": gettext_noop("Relation"),
        },
        "plant_field": {
            "code": gettext_noop("Code"),
            "tag": gettext_noop("Point tag"),
            "name": gettext_noop("Name"),
            "level": gettext_noop("Hierarchy level"),
            "parent": gettext_noop("Part of"),
            "types": gettext_noop("Types"),
            "properties": gettext_noop("Properties"),
            "global_id": gettext_noop("Global ID"),
            "asset": gettext_noop("Asset"),
            "unit": gettext_noop("Unit"),
            "data_type": gettext_noop("Data type"),
            "low": gettext_noop("Lower limit"),
            "high": gettext_noop("Upper limit"),
            "concept": gettext_noop("Concept"),
            "confidence": gettext_noop("Confidence"),
        },
        "plant_units": {
            "same": gettext_noop("Same unit"),
            "convertible": gettext_noop("Convertible"),
            "inconvertible": gettext_noop("Not convertible"),
            "unknown": gettext_noop("Unit not known"),
        },
        "plant_health": {
            "attention": gettext_noop("Needs attention"),
            "watch": gettext_noop("Watch"),
            "good": gettext_noop("Healthy"),
            "unknown": gettext_noop("No recent verdict"),
        },
        "plant_verdict": {
            "yes": gettext_noop("Event predicted"),
            "no": gettext_noop("No event predicted"),
            "label": gettext_noop("Class"),
            "value": gettext_noop("Value"),
            "uncertain": gettext_noop("Uncertain"),
        },
        "plant_entity": {
            "material": gettext_noop("Material"),
            "order": gettext_noop("Order"),
            "failure_mode": gettext_noop("Failure mode"),
            "cause": gettext_noop("Cause"),
            "effect": gettext_noop("Effect"),
            "remedy": gettext_noop("Remedy"),
            "document": gettext_noop("Document"),
            "work_order": gettext_noop("Work order"),
        },
        "plant_entities": {
            "material": gettext_noop("Materials"),
            "order": gettext_noop("Orders"),
            "failure_mode": gettext_noop("Failure modes"),
            "cause": gettext_noop("Causes"),
            "effect": gettext_noop("Effects"),
            "remedy": gettext_noop("Remedies"),
            "document": gettext_noop("Documents"),
            "work_order": gettext_noop("Work orders"),
        },
        "plant_data_type": {
            "number": gettext_noop("Numeric"),
            "boolean": gettext_noop("On or off"),
            "text": gettext_noop("Text"),
        },
        "plant_origin": {
            "stated": gettext_noop("Stated by tag"),
            "mapped": gettext_noop("Mapped for the model"),
            "name": gettext_noop("Same name"),
            "concept": gettext_noop("Same meaning"),
            "constant": gettext_noop("Entered value"),
            "text": gettext_noop("From the question"),
            "omitted": gettext_noop("Left out"),
        },
        "plant_missing": {
            "no_point": gettext_noop("The asset has no point for this input."),
            "no_reading": gettext_noop("The point has no usable recent reading."),
            "gaps": gettext_noop("The readings have gaps."),
            "unit": gettext_noop("The unit of the point is of another quantity."),
            "range": gettext_noop("The reading is outside the model's limits."),
        },
        "plant_import": {
            "previewed": gettext_noop("Not confirmed"),
            "applied": gettext_noop("Imported"),
            "reading": gettext_noop("Being read"),
            "failed": gettext_noop("Failed"),
        },
    }
)
PLANT_ACTIONS: Mapping[str, str] = MappingProxyType(
    {
        "plant.imported": gettext_noop("Imported a plant model"),
        "plant.question_asked": gettext_noop("Asked a question about the plant"),
        "plant.model_inputs_replaced": gettext_noop("Changed the points of a model's inputs"),
        "plant.asset_created": gettext_noop("Created an asset"),
        "plant.asset_updated": gettext_noop("Changed an asset"),
        "plant.asset_retired": gettext_noop("Retired an asset"),
        "plant.point_created": gettext_noop("Created a point"),
        "plant.point_updated": gettext_noop("Changed a point"),
        "plant.point_replaced": gettext_noop("Replaced a sensor"),
        "plant.point_retired": gettext_noop("Retired a point"),
        "plant.mappings_confirmed": gettext_noop("Confirmed concepts of points"),
        "plant.alignment_set": gettext_noop("Changed the automatic proposals of mappings"),
        "plant.alignment_deleted": gettext_noop("Stopped the automatic proposals of mappings"),
        "plant.compared": gettext_noop("Compared the plant with another one"),
        "plant.entity_created": gettext_noop("Created an object of the plant"),
        "plant.entity_updated": gettext_noop("Changed an object of the plant"),
        "plant.entity_retired": gettext_noop("Retired an object of the plant"),
        "plant.relation_stated": gettext_noop("Stated a relation"),
        "plant.relation_ended": gettext_noop("Ended a relation"),
    }
)
PLANT_ERRORS: Mapping[str, str] = MappingProxyType(
    {
        "plant_changed": gettext_noop(
            "The plant model was changed after this preview. Import the file again."
        ),
        "plant_import_expired": gettext_noop(
            "This preview is older than a day. Import the file again."
        ),
        "plant_import_busy": gettext_noop("Other imports are in progress. Try again in a minute."),
        "plant_asset_not_empty": gettext_noop(
            "Move or retire the parts and points of the asset first."
        ),
        "asset_inputs_missing": gettext_noop(
            "The asset lacks inputs of the model. Enter the missing ones below."
        ),
        "asset_inputs_invalid": gettext_noop("The inputs do not fit the model."),
        "asset_prediction_refused.model": gettext_noop(
            "The model is not responding. Try again in a moment."
        ),
        "plant_export_too_large": gettext_noop(
            "The plant model is too large for Excel. Export it as CSV or JSON."
        ),
        "readings_range_too_large": gettext_noop(
            "The time has too many readings. Choose a shorter one."
        ),
        "plant_node_not_found": gettext_noop("There is no object with this code or tag."),
        "plant_node_not_found.parent": gettext_noop("There is no asset with this code."),
        "plant_node_not_found.asset": gettext_noop("There is no asset with this code."),
        "plant_node_retired": gettext_noop("It is retired and cannot be changed."),
        "plant_key_taken": gettext_noop("This code or tag is in use."),
        "alignment_budget_exhausted": gettext_noop("This month's budget for proposals is used up."),
        "retraining_schedule_taken": gettext_noop(
            "A model of this name is trained on another schedule. Delete that schedule first."
        ),
    }
)
QUALITIES: Mapping[str, str] = MappingProxyType(
    {
        "good": gettext_noop("Good"),
        "uncertain": gettext_noop("Uncertain"),
        "bad": gettext_noop("Bad"),
    }
)
