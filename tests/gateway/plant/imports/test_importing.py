"""Imports against PostgreSQL: preview, confirm, repeat, replace, conflicts and limits."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest

from gateway.identity.audit_log import CLI_ACTOR, list_account_entries
from gateway.plant.assets.errors import PlantChanged, PlantModelInvalid, PlantNodeNotFound
from gateway.plant.assets.json_model import encode_model
from gateway.plant.assets.limits import PlantLimits
from gateway.plant.assets.plan import ImportMode
from gateway.plant.assets.values import (
    Asset,
    AssetLevel,
    Concept,
    Entity,
    EntityKind,
    Node,
    NodeKind,
    PlantModel,
    Point,
    Property,
    Relation,
)
from gateway.plant.imports.exchange_formats import PlantFile
from gateway.plant.imports.exporting import ExportFormat, export_file_name
from gateway.plant.imports.importing import ImportOptions, PlantImporter
from gateway.plant.imports.previews import import_json
from gateway.plant.store.editing import Editing
from gateway.plant.store.loading import load_model
from gateway.plant.store.mappings import list_history
from gateway.plant.store.point_editing import update_point
from infra.database.database import Database
from tests.support.billing.making import CLOCK, customer

CSV = "位号,名称,单位,量程下限,量程上限,路径\n" + "\n".join(
    f"TI-{n},温度 {n},℃,0,150,Works/Boiler house/Pump {n % 2}" for n in range(4)
)
MODEL = PlantModel(
    (
        Asset("W1", "Works", AssetLevel.SITE),
        Asset(
            "P-1", "=Pump", AssetLevel.EQUIPMENT, "W1", {"brick": "Pump"},
            {"Maker": Property("KSB", "", "0173-1#02-AAO677#002")},
        ),
    ),
    (Point("TI-1", "-Temp", "P-1", "degC", low=-5, high=150.5, concept=Concept("brick", "T")),),
    (Entity(EntityKind.FAILURE_MODE, "F1", "Seal leak"),),
    (Relation(Node(NodeKind.ASSET, "P-1"), "has_failure", Node(NodeKind.FAILURE_MODE, "F1"), 0.5),),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Plant:
    """An account and its importer."""

    database: Database
    account_id: UUID
    importer: PlantImporter

    async def preview(self, content: bytes, mode: ImportMode = ImportMode.MERGE) -> dict[str, Any]:
        row = await self.importer.preview(
            self.account_id, CLI_ACTOR, PlantFile("tags.csv", content), ImportOptions(mode)
        )
        return import_json(row)

    async def load(self, content: bytes, mode: ImportMode = ImportMode.MERGE) -> dict[str, Any]:
        shown = await self.preview(content, mode)
        row = await self.importer.confirm(self.account_id, CLI_ACTOR, shown["id"])
        assert import_json(row)["counts"] == shown["counts"]
        return shown["counts"]

    async def model(self) -> PlantModel:
        async with self.database.transaction() as session:
            return await load_model(session, self.account_id)

    async def change_point(self, tag: str, **changes: Any) -> None:
        async with self.database.transaction() as session:
            editing = Editing(session, CLOCK, CLI_ACTOR, self.account_id, PlantLimits())
            await update_point(editing, tag, changes)


@pytest.fixture
async def plant(database: Database) -> AsyncIterator[Plant]:
    account_id = (await customer(database)).account_id
    return Plant(database, account_id, PlantImporter(database, CLOCK, PlantLimits(10, 10)))


async def test_confirmed_import_writes_what_was_shown_once(plant: Plant) -> None:
    shown = await plant.preview(CSV.encode("gb18030"))
    assert shown["counts"]["points"] == {"create": 4, "update": 0, "retire": 0, "unchanged": 0}
    assert await plant.model() == PlantModel()
    for _ in range(2):
        row = await plant.importer.confirm(plant.account_id, CLI_ACTOR, shown["id"])
        assert (row.status, row.content) == ("applied", b"")
    model = await plant.model()
    assert [asset.code for asset in model.assets] == [
        "Works", "Works/Boiler house", "Works/Boiler house/Pump 0", "Works/Boiler house/Pump 1",
    ]  # fmt: skip
    assert model.points[0] == Point(
        "TI-0", "温度 0", "Works/Boiler house/Pump 0", "degC", low=0, high=150
    )
    async with plant.database.transaction() as session:
        entries = await list_account_entries(session, plant.account_id)
        history = await list_history(session, plant.account_id, "TI-0")
    assert [entry.action for entry in entries] == ["plant.imported"]
    assert [(one.unit, one.mapping_status, one.valid_to) for one in history] == [
        ("degC", "unmapped", None)
    ]
    again = await plant.load(CSV.encode())
    assert (again["points"]["unchanged"], again["points"]["update"]) == (4, 0)


@pytest.mark.parametrize("export_format", [ExportFormat.CSV, ExportFormat.XLSX, ExportFormat.JSON])
async def test_export_imports_again_without_a_change(
    plant: Plant, export_format: ExportFormat
) -> None:
    await plant.load(encode_model(MODEL))
    assert await plant.model() == MODEL
    exported = await plant.importer.export(plant.account_id, export_format)
    counts = await plant.load(exported, ImportMode.REPLACE)
    assert counts["assets"] == {"create": 0, "update": 0, "retire": 0, "unchanged": 2}
    assert counts["points"] == {"create": 0, "update": 0, "retire": 0, "unchanged": 1}
    assert await plant.model() == MODEL


async def test_update_keeps_what_a_merge_does_not_state_and_enters_the_history(
    plant: Plant,
) -> None:
    await plant.load(encode_model(MODEL))
    counts = await plant.load(b"tag,unit\nTI-1,K\n")
    assert counts["points"]["update"] == 1
    (point,) = (await plant.model()).points
    assert (point.unit, point.name, point.concept) == ("K", "-Temp", Concept("brick", "T"))
    async with plant.database.transaction() as session:
        history = await list_history(session, plant.account_id, "TI-1")
    assert [(one.unit, one.valid_to is None) for one in history] == [("K", True), ("degC", False)]


async def test_replace_retires_what_the_file_does_not_have(plant: Plant) -> None:
    await plant.load(encode_model(MODEL))
    counts = await plant.load(b"tag,asset\nTI-2,W1\n", ImportMode.REPLACE)
    assert (counts["assets"]["retire"], counts["points"]["retire"]) == (1, 1)
    assert counts["relations"]["retire"] == 1
    model = await plant.model()
    assert [one.code for one in model.assets] == ["W1"]
    assert [one.tag for one in model.points] == ["TI-2"]
    assert len(model.entities) == 1
    assert (await plant.load(b"tag\nTI-1\n"))["points"]["create"] == 1


async def test_preview_is_refused_after_another_change(plant: Plant) -> None:
    await plant.load(encode_model(MODEL))
    shown = await plant.preview(b"tag,name\nTI-1,New\n")
    await plant.change_point("TI-1", name="Other")
    with pytest.raises(PlantChanged):
        await plant.importer.confirm(plant.account_id, CLI_ACTOR, shown["id"])
    assert (await plant.model()).points[0].name == "Other"


async def test_import_of_another_account_is_not_found(plant: Plant, database: Database) -> None:
    shown = await plant.preview(b"tag\nTI-1\n")
    stranger = (await customer(database, name="Other")).account_id
    with pytest.raises(PlantNodeNotFound):
        await plant.importer.confirm(stranger, CLI_ACTOR, shown["id"])


@pytest.mark.parametrize(
    ("content", "code", "line"),
    [
        (b"tag,unit\nTI-1,quux\n", "unknown_unit", 2),
        (b"tag,low,high\nTI-1,5,1\n", "invalid_range", 2),
        (b"tag\nTI-1\nTI-1\n", "duplicate", 2),
        (b"asset,parent,tag\nA,B,\nB,A,\n", "cycle", 2),
        (b"asset,parent\nA,nowhere\n", "unknown_parent", 2),
        (b"asset,level,parent\nA,component,\nB,site,A\n", "invalid_level", 3),
        (b"tag,low\nTI-1,abc\n", "invalid_cell", 2),
        (b"tag,name\nTI-1,\x07\n", "invalid_text", 2),
        (b"tag,name\nTI-1," + b"x" * 400 + b"\n", "text_too_long", 2),
        (b"foo,bar\n1,2\n", "no_header", None),
        (b"name,unit\n1,m\n", "no_key_column", None),
        (b" \n", "empty_file", None),
        (b"{", "invalid_json", None),
        (b'{"points": [{"tag": 5}]}', "invalid_model", None),
        (b'{"points": [{"tag": "a", "asset": "x"}]}', "unknown_asset", None),
        (b"tag\n" + b"".join(b"t%d\n" % n for n in range(11)), "model_too_large", None),
        (b"tag\n" + b"".join(b"t%d\n" % n for n in range(40)), "too_many_rows", None),
    ],
)
async def test_invalid_file_is_refused_with_code_and_line(
    plant: Plant, content: bytes, code: str, line: int | None
) -> None:
    with pytest.raises(PlantModelInvalid) as refused:
        await plant.preview(content)
    first = refused.value.problems.shown[0]
    assert (first.code, first.line) == (code, line)


async def test_unknown_units_can_be_left_out(plant: Plant) -> None:
    options = ImportOptions(omit_unknown_units=True)
    file = PlantFile("tags.csv", b"tag,unit\nTI-1,quux\n")
    row = await plant.importer.preview(plant.account_id, CLI_ACTOR, file, options)
    assert row.summary["notes"] == ["The unit 'quux' of point 'TI-1' is unknown."]


async def test_import_beyond_the_limit_of_the_account_is_refused(plant: Plant) -> None:
    await plant.load(b"tag\n" + b"".join(b"t%d\n" % n for n in range(8)))
    with pytest.raises(PlantModelInvalid) as refused:
        await plant.preview(b"tag\nu1\nu2\nu3\n")
    assert refused.value.problems.shown[0].code == "plant_limit_reached"


@pytest.mark.parametrize(
    "export_format",
    [ExportFormat.BRICK, ExportFormat.AAS, ExportFormat.AASX, ExportFormat.NODESET],
)
async def test_exchange_format_is_recognised_and_imports_what_was_exported(
    database: Database, export_format: ExportFormat
) -> None:
    source, target = [
        Plant(
            database,
            (await customer(database, name=name)).account_id,
            PlantImporter(database, CLOCK, PlantLimits()),
        )
        for name in ("Source", "Target")
    ]
    await source.load(encode_model(MODEL))
    content = await source.importer.export(source.account_id, export_format)
    file = PlantFile(export_file_name(export_format), content)
    options = ImportOptions(omit_unknown_units=True)
    row = await target.importer.preview(target.account_id, CLI_ACTOR, file, options)
    preview = import_json(row)
    await target.importer.confirm(target.account_id, CLI_ACTOR, preview["id"])
    model = await target.model()
    assert {(one.code, one.parent) for one in model.assets} == {("W1", None), ("P-1", "W1")}
    assert {(one.tag, one.asset, one.unit) for one in model.points} == {("TI-1", "P-1", "degC")}
    assert [(one.kind, one.code) for one in model.entities] == [(EntityKind.FAILURE_MODE, "F1")]
    assert [one.predicate for one in model.relations] == ["has_failure"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.ttl", b"@prefix a: <urn:a:> . a:b"),
        ("a.json", b'{"assetAdministrationShells": [{}]}'),
        ("a.xml", b'<?xml version="1.0"?><UANodeSet'),
        ("a.aasx", b"PK\x03\x04 aasx-origin"),
    ],
)
async def test_damaged_exchange_file_is_refused_as_a_problem(
    plant: Plant, name: str, content: bytes
) -> None:
    with pytest.raises(PlantModelInvalid) as caught:
        await plant.importer.preview(
            plant.account_id, CLI_ACTOR, PlantFile(name, content), ImportOptions()
        )
    assert [one.code for one in caught.value.problems.shown] == ["file_invalid"]
