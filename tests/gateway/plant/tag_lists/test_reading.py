"""Tag lists: dialects, header names, paths, assets, and cells that are no formulas."""

import pytest

from gateway.plant.assets.index import EMPTY_INDEX, PlantIndex
from gateway.plant.assets.limits import PlantLimits
from gateway.plant.assets.values import Asset, AssetLevel, DataType, PlantModel, Point
from gateway.plant.tag_lists.columns import escape_cell, unescape_cell
from gateway.plant.tag_lists.reading import TagList, read_tag_list
from models.problems import Problems


def read(content: bytes | str, existing: PlantIndex = EMPTY_INDEX) -> TagList:
    problems = Problems()
    raw = content.encode() if isinstance(content, str) else content
    found = read_tag_list(raw, existing, PlantLimits(), problems)
    assert problems.shown == []
    return found


@pytest.mark.parametrize(
    "content",
    [
        "tag;name;unit\nTI-1;Temp;bar\n",
        "Tag Name\tDescription\tEng. Units\nTI-1\tTemp\tbar\n",
        "\ufeff位号,名称,单位\nTI-1,Temp,bar\n",
        "Tag list of line 3,,\n\nTAG,Name,Unit [SI]\nTI-1,Temp,bar\n",
        "位号,名称,单位\nTI-1,Temp,bar\n".encode("gb18030"),
        "位号,名称,单位\nTI-1,Temp,bar\n".encode("utf-16"),
    ],
)
def test_usual_dialects_and_headers_give_the_same_point(content: bytes | str) -> None:
    assert read(content).model == PlantModel(points=(Point("TI-1", "Temp", unit="bar"),))


def test_path_gives_assets_with_levels_by_their_place() -> None:
    model = read("tag,path\nT1,A/B/C\nT2,A/B/D/E/F/G\nT3,A\n").model
    levels = {asset.code: asset.level.value for asset in model.assets}
    assert levels == {
        "A": "site",
        "A/B": "area",
        "A/B/C": "equipment",
        "A/B/D": "work_center",
        "A/B/D/E": "work_unit",
        "A/B/D/E/F": "equipment",
        "A/B/D/E/F/G": "equipment",
    }
    assert [point.asset for point in model.points] == ["A/B/C", "A/B/D/E/F/G", "A"]


def test_asset_columns_describe_the_asset_below_its_path() -> None:
    site, pump = read("tag,设备,设备名称,路径\nT1,P-1,Pump,W\nT2,P-1,,W\n").model.assets
    assert (site.level, pump) == (AssetLevel.SITE, Asset("P-1", "Pump", AssetLevel.EQUIPMENT, "W"))


def test_what_the_file_lacks_is_as_the_account_has_it() -> None:
    pump = Asset("P-1", "Feed pump", AssetLevel.COMPONENT, "W")
    point = Point("T1", data_type=DataType.BOOLEAN)
    model = read(
        "tag,asset\nT1,P-1\n", PlantIndex(assets={"P-1": pump}, points={"T1": point})
    ).model
    assert (model.assets[0].name, model.assets[0].level) == ("Feed pump", AssetLevel.COMPONENT)
    assert model.points[0].data_type is DataType.BOOLEAN


def test_numbers_may_have_decimal_commas() -> None:
    (point,) = read("tag;low;high\nT1;-1,5;1e3\n").model.points
    assert (point.low, point.high) == (-1.5, 1000.0)


def test_unknown_columns_are_reported() -> None:
    assert read("tag,colour\nT1,red\n").unknown_columns == ("colour",)


@pytest.mark.parametrize(
    "text", ["=1+1", "+A", "-A", "@A", "'=x", "''-", "'a", "-5", "-5.5e3", "A"]
)
def test_escaped_cell_is_no_formula_and_is_read_again(text: str) -> None:
    escaped = escape_cell(text)
    assert unescape_cell(escaped) == text
    assert not escaped.startswith(("=", "+", "@"))
