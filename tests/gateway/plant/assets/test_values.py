"""Values of the plant model, and the values that its tables accept."""

import pytest

from gateway.plant.assets.values import (
    AssetLevel,
    DataType,
    EntityKind,
    MappingStatus,
    NodeKind,
    Source,
)
from gateway.tables import plant


@pytest.mark.parametrize(
    ("values", "accepted"),
    [
        (AssetLevel, plant.LEVELS),
        (DataType, plant.DATA_TYPES),
        (MappingStatus, plant.MAPPING_STATUSES),
        (EntityKind, plant.ENTITY_KINDS),
        (NodeKind, plant.NODE_KINDS),
        (Source, plant.SOURCES),
    ],
)
def test_tables_accept_exactly_the_values_of_the_plant_model(values, accepted):
    assert tuple(value.value for value in values) == accepted


@pytest.mark.parametrize(
    ("parent", "child", "allowed"),
    [
        (AssetLevel.SITE, AssetLevel.AREA, True),
        (AssetLevel.ENTERPRISE, AssetLevel.EQUIPMENT, True),
        (AssetLevel.EQUIPMENT, AssetLevel.EQUIPMENT, True),
        (AssetLevel.COMPONENT, AssetLevel.COMPONENT, True),
        (AssetLevel.SITE, AssetLevel.SITE, False),
        (AssetLevel.AREA, AssetLevel.SITE, False),
        (AssetLevel.COMPONENT, AssetLevel.EQUIPMENT, False),
    ],
)
def test_asset_may_contain_lower_levels_and_equipment_may_nest(parent, child, allowed):
    assert parent.may_contain(child) is allowed
