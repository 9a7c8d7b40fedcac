"""Tables and images as plants have them, uploaded and checked through the API before any charge."""

from io import BytesIO
from typing import Any

import numpy as np
import pytest
from openpyxl import Workbook
from PIL import Image

from tests.support.builders import CATALOG, Gateway
from tests.support.models.made_up_surfaces import file_of, folders, surface, zip_of

BY_ADAPTER = {model.adapter: model.id for model in CATALOG.models.values()}
CLASSIFIER, IMAGES = BY_ADAPTER["tabular_classifier"], BY_ADAPTER["surface_defect"]
ROWS = 60
DATES = {
    "iso": "2026-03-{day:02d} 08:00",
    "german": "{day:02d}.03.2026 08:00",
    "american": "03/{day:02d}/2026 08:00 AM",
    "chinese": "2026年03月{day:02d}日",
    "compact": "202603{day:02d}T080000",
}


def table(rows: int = ROWS, **columns: Any) -> bytes:
    """A CSV file of a torque, a result and other columns, each a function of the row's number."""
    functions = {"torque": lambda row: row % 7 + row / 100, **columns}
    functions.setdefault("failed", lambda row: "yes" if row % 3 else "no")
    lines = [";".join(str(function(row)) for function in functions.values()) for row in range(rows)]
    return "\n".join([";".join(functions), *lines]).encode()


def workbook() -> bytes:
    """An Excel file whose machine is one merged cell for many rows."""
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["machine", "torque", "failed"])
    for row in range(ROWS):
        sheet.append(
            [f"M{row // 15}" if row % 15 == 0 else None, row / 3, "yes" if row % 3 else "no"]
        )
    for start in range(2, ROWS, 15):
        sheet.merge_cells(f"A{start}:A{start + 14}")
    file = BytesIO()
    book.save(file)
    return file.getvalue()


def images() -> bytes:
    """Textures with a copy that was rotated and one that was scaled."""
    whole = surface("rough", 900)
    scaled = np.asarray(Image.fromarray(whole).resize((240, 192)))
    copies = {"rough/a.png": whole, "rough/b.png": np.rot90(whole), "rough/c.png": scaled}
    return zip_of(
        folders(6) | {name: file_of(np.ascontiguousarray(one)) for name, one in copies.items()}
    )


class Checker:
    """An account that uploads files and has them checked."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway

    async def check(self, content: bytes, model: str = CLASSIFIER, **schema: Any) -> dict[str, Any]:
        upload = await self.gateway.http.post(
            "/v1/files", data={"purpose": "fine-tune"}, files={"file": ("line.csv", content)}
        )
        assert upload.status_code == 200, upload.text
        body = {"model": model, **({"schema": schema} if schema else {})}
        path = f"/v1/files/{upload.json()['id']}/check"
        answer = await self.gateway.http.post(path, json=body)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def codes(self, content: bytes, **schema: Any) -> set[str]:
        found = await self.check(content, **schema)
        assert all(one["message"] and one["fix"] for one in found["problems"])
        return {one["code"] for one in found["problems"]}

    async def columns(self, content: bytes, **schema: Any) -> dict[str, Any]:
        found = await self.check(content, **schema)
        assert found["valid"], found["problems"]
        return {one["name"]: one for one in found["schema"]["columns"]}


@pytest.fixture
def checker(gateway: Gateway) -> Checker:
    return Checker(gateway)


async def test_tables_that_teach_nothing_are_refused_by_name(checker: Checker) -> None:
    cases: dict[str, tuple[bytes, dict[str, Any]]] = {
        "constant_target": (table(failed=lambda row: "yes"), {}),
        "unknown_column": (table(), {"target": "nothing"}),
        "too_few_rows": (table(3), {}),
        "too_many_classes": (table(failed=lambda row: f"F{row}"), {"target": "failed"}),
        "contradicting_rows": (
            table(torque=lambda row: row % 5, failed=lambda row: "yes" if row % 2 else "no"),
            {},
        ),
        "duplicate_header": (b"a;a;failed\n1;2;yes\n", {}),
    }
    for code, (content, schema) in cases.items():
        assert await checker.codes(content, **schema) >= {code}, code
    assert await checker.gateway.rows(0) == []


async def test_tables_as_plants_write_them_are_understood(checker: Checker) -> None:
    dates = {
        name: lambda row, form=form: form.format(day=1 + row % 28) for name, form in DATES.items()
    }
    found = await checker.columns(table(**dates), target="failed")
    assert {name: found[name]["type"] for name in DATES} == dict.fromkeys(DATES, "time")
    commas = {"压力 [bar]": lambda row: f"{row},5", "故障": lambda row: "是" if row % 3 else "否"}
    found = await checker.columns(table(**commas), target="故障", ignored=["failed"])
    assert (found["压力 [bar]"]["maximum"], found["压力 [bar]"]["unit"]) == (59.5, "bar")
    assert found["故障"]["role"] == "target"
    found = await checker.columns(workbook(), target="failed")
    assert (found["machine"]["role"], found["machine"]["missing"]) == ("machine", 0)
    pressure = {"pressure": lambda row: (5 + row % 9 / 10) * (100 if row >= 30 else 1)}
    found = await checker.columns(table(**pressure), target="failed")
    assert found["pressure"]["scale_change"]["row"] == 31
    assert found["pressure"]["scale_change"]["factor"] == pytest.approx(100, rel=0.1)


async def test_columns_of_no_use_are_named_or_left_out(checker: Checker) -> None:
    revealing = table(repair=lambda row: "bearing" if row % 3 else "none")
    found = await checker.check(revealing, target="failed")
    assert any("'repair' alone predicts" in note for note in found["warnings"])
    many = table(3_000, part=lambda row: f"P{row}")
    assert (await checker.columns(many, target="failed"))["part"]["role"] == "ignored"


async def test_copies_of_images_are_named_and_damaged_ones_refused(checker: Checker) -> None:
    found = await checker.check(images(), IMAGES)
    assert (found["valid"], found["examples"]) == (True, 21)
    assert any("nearly the same as another one: 2" in note for note in found["warnings"])
    damaged = zip_of(folders(6) | {"rough/broken.jpg": b"\xff\xd8\xff"})
    found = await checker.check(damaged, IMAGES)
    assert [one["code"] for one in found["problems"]] == ["invalid_image"]
