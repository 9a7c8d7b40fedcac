"""Tables of work orders and FMEA as entities and relations of the plant model."""

import io

import pytest
from openpyxl import Workbook

from gateway.plant.assets.index import PlantIndex
from gateway.plant.assets.limits import PlantLimits
from gateway.plant.assets.values import Asset, AssetLevel, Entity, EntityKind, PlantModel
from gateway.plant.imports.exchange_formats import PlantFile
from gateway.plant.imports.readers import read_plant_file
from gateway.plant.maintenance.columns import TableKind
from gateway.plant.maintenance.dates import read_date
from gateway.plant.maintenance.reading import find_header, read_maintenance
from models.problems import Problems

INDEX = PlantIndex(
    assets={
        "P-101": Asset("P-101", "Feed pump 1", AssetLevel.EQUIPMENT),
        "P-102": Asset("P-102", "Twin", AssetLevel.EQUIPMENT),
        "P-103": Asset("P-103", "Twin", AssetLevel.EQUIPMENT),
    },
    entities={
        (EntityKind.FAILURE_MODE, "FM-7"): Entity(EntityKind.FAILURE_MODE, "FM-7", "Seal leak")
    },
)


def read(content: bytes, problems: Problems) -> PlantModel:
    header = find_header(content)
    assert header is not None
    return read_maintenance(content, header, INDEX, PlantLimits(), problems).model


def statements(model: PlantModel) -> set[tuple[str, str, str]]:
    return {(one.subject.code, one.predicate, one.object.code) for one in model.relations}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "gb18030"])
def test_work_orders_with_chinese_columns_are_read(encoding):
    text = (
        "检修工单台账,,,\n工单号,设备编号,报修日期,故障模式,处理措施\n"
        "WO-1,P-101,2026/3/1,seal leak,更换机械密封\nWO-1,feed pump 1,2026-03-01,振动,\n"
    )
    problems = Problems()
    model = read(text.encode(encoding), problems)
    assert problems.shown == []
    assert statements(model) == {
        ("WO-1", "on", "P-101"),
        ("WO-1", "found", "FM-7"),
        ("WO-1", "found", "振动"),
        ("WO-1", "remedy", "更换机械密封"),
    }
    order = next(one for one in model.entities if one.kind is EntityKind.WORK_ORDER)
    assert order.properties["date"].value == "2026-03-01"


@pytest.mark.usefixtures("processes")
def test_fmea_of_a_workbook_repeats_empty_cells_and_computes_the_rpn():
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    for row in (
        ["Component", "Failure Mode", "Cause", "Effect", "Recommended action", "S", "O", "D"],
        ["P-101", "Seal leak", "Dry running", "Loss of product", "Check level", 8, 4, 5],
        [None, None, "Misalignment", "Loss of product", None, 8, 3, None],
    ):
        sheet.append(row)
    content = io.BytesIO()
    book.save(content)
    problems = Problems()
    model = read(content.getvalue(), problems)
    assert problems.shown == []
    items = [one for one in model.entities if one.kind is EntityKind.FMEA_ITEM]
    assert [one.properties.get("rpn") is not None for one in items] == [True, False]
    assert items[0].properties["rpn"].value == "160"
    assert {
        ("FM-7", "caused_by", "dry_running"),
        ("FM-7", "caused_by", "misalignment"),
        ("FM-7", "has_effect", "loss_of_product"),
        ("FM-7", "remedied_by", "check_level"),
        ("FM-7", "affects", "P-101"),
    } <= statements(model)
    again = read(content.getvalue(), Problems())
    assert again == model


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ("WO-1,P-999,2026-03-01,x,", "unknown_asset"),
        ("WO-1,Twin,2026-03-01,x,", "unknown_asset"),
        ("WO-1,P-101,3/4/2026,x,", "invalid_cell"),
        ("WO-1,P-101,2026-02-30,x,", "invalid_cell"),
        (",P-101,2026-03-01,x,", "no_key"),
        ("WO-1,,2026-03-01,x,", "no_key"),
    ],
)
def test_wrong_rows_are_named_with_their_line(row, code):
    problems = Problems()
    read(f"work order,asset,date,failure mode,action\n{row}\n".encode(), problems)
    assert [(one.code, one.line) for one in problems.shown] == [(code, 2)]


@pytest.mark.parametrize("rating", ["0", "11", "8.5", "high", "-1", "１０"])
def test_ratings_out_of_range_are_refused(rating):
    problems = Problems()
    read(f"failure mode,cause,s\nLeak,Wear,{rating}\n".encode(), problems)
    assert [one.field for one in problems.shown] == ["severity"]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("tag,name,unit\nT1,x,bar\n", None),
        ("tag,work order,asset,date\nT1,1,2,3\n", None),
        ("work order,asset,date\n1,2,3\n", TableKind.WORK_ORDERS),
        ("失效模式,失效原因,严重度\na,b,3\n", TableKind.FMEA),
        ("a,b\n1,2\n", None),
        ("", None),
    ],
)
def test_kind_of_a_table_is_found_by_its_columns(text, kind):
    header = find_header(text.encode())
    assert (header.kind if header else None) is kind


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("2026-03-01", "2026-03-01"),
        ("2026年3月1日", "2026-03-01"),
        ("1.3.2026 08:30", "2026-03-01T08:30:00Z"),
        ("2026-03-01T08:30:00+08:00", "2026-03-01T00:30:00Z"),
        ("2026-03-01T00:00:00", "2026-03-01"),
        ("46082", "2026-03-01"),
        ("3/4/2026", None),
        ("soon", None),
        ("9" * 400, None),
    ],
)
def test_dates_are_read_or_refused(text, date):
    assert read_date(text) == date


@pytest.mark.parametrize(
    ("text", "only_adds"),
    [("work order,asset,date\nWO-1,P-101,2026-03-01\n", True), ("tag,unit\nT1,bar\n", False)],
)
def test_table_without_the_plant_may_not_replace_it(text, only_adds):
    file = PlantFile("table.csv", text.encode())
    assert read_plant_file(file, INDEX, PlantLimits(), Problems()).only_adds is only_adds
