"""Training file checks for specialists: problems are reported before a job and cost nothing."""

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from gateway.fine_tuning.file_check import TrainingFileRejected, check_training_file
from models.catalog import Model
from models.problems import MAX_SHOWN
from tests.support.builders import CATALOG, REMAINING_LIFE, SPECIALIST
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.commands import Maas
from tests.support.gateway.customers import Customer
from tests.support.gateway.machines import CYCLES, lines_of, machine, machines
from tests.support.models import tables
from tests.support.models.histories import histories
from tests.support.models.made_up_surfaces import folders, zip_of
from tests.support.models.processes import process
from tests.support.models.series import load_curve

MODELS = {one.adapter: one for one in CATALOG.models.values() if one.adapter is not None}
CLASSIFIER, FORECASTER = MODELS["tabular_classifier"].id, MODELS["series_forecaster"].id
ANOMALY, FAILURE, LIFE, SURFACE, TAGS = (
    MODELS[name]
    for name in ("anomaly", "failure_class", "remaining_life", "surface_defect", "tag_align")
)
POINT: dict[str, Any] = {
    "type": "L",
    "air_temperature": 300.1,
    "process_temperature": 310.2,
    "rotational_speed": 1480,
    "torque": 41.5,
    "tool_wear": 96,
    "failure": 0,
}


def points(count: int = 40) -> list[dict[str, Any]]:
    return [{**POINT, "torque": 20.0 + at, "failure": at % 2} for at in range(count)]


def file(*lines: Any) -> bytes:
    return b"".join(json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in lines)


def problems(model: Model, content: bytes) -> list[dict[str, Any]]:
    with pytest.raises(TrainingFileRejected) as caught:
        check_training_file(model, content, UUID(int=1), "cpu", False)
    assert caught.value.code == "invalid_training_file"
    found: list[dict[str, Any]] = caught.value.details["problems"]
    assert all(one["message"] and one["fix"] for one in found)
    return found


def told(model: Model, content: bytes) -> set[tuple[int | None, str | None, str]]:
    return {(one["line"], one["field"], one["code"]) for one in problems(model, content)}


class TestTabularFileCheck:
    def test_all_problems_are_reported_with_line_and_column(self) -> None:
        lines = points()
        del lines[1]["torque"]
        lines[2]["torqe"] = 1
        lines[3] |= {"torque": "40", "air_temperature": None}
        lines[4]["torque"] = 4000
        lines[5] |= {"air_temperature": 26.9, "type": "X"}
        lines[6]["torque"] = float("nan")
        lines[7]["failure"] = 2
        lines[8]["units"] = {"torque": "furlong"}
        lines[10] = {**lines[9], "failure": 1 - lines[9]["failure"]}
        assert told(FAILURE, file(*lines)) == {
            (2, "torque", "missing_field"),
            (3, "torqe", "unknown_field"),
            (4, "torque", "wrong_type"),
            (4, "air_temperature", "wrong_type"),
            (5, "torque", "out_of_range"),
            (6, "air_temperature", "out_of_range"),
            (6, "type", "out_of_range"),
            (7, "torque", "not_finite"),
            (8, "failure", "wrong_type"),
            (9, "torque", "unit"),
            (11, "failure", "contradiction"),
        }

    def test_duplicate_column_is_reported(self) -> None:
        content = file(*points()).replace(b'"torque": 21.0', b'"torque": 1, "torque": 21.0')
        assert told(FAILURE, content) == {(2, "torque", "duplicate_field")}

    @pytest.mark.parametrize(
        ("lines", "expected"),
        [
            (points(20), {(None, None, "too_few_rows")}),
            (
                [{**one, "failure": 0} for one in points()],
                {(None, "failure", "too_few_of_a_class")},
            ),
        ],
    )
    def test_too_few_rows_in_total_or_of_a_class_are_reported(
        self, lines: list[Any], expected: set[Any]
    ) -> None:
        assert told(FAILURE, file(*lines)) == expected

    def test_long_problem_list_is_truncated_but_counted_in_full(self) -> None:
        content = file(*({**one, "torque": 4000 + at} for at, one in enumerate(points(500))))
        with pytest.raises(TrainingFileRejected) as caught:
            check_training_file(FAILURE, content, UUID(int=1), "cpu", False)
        assert caught.value.details["problem_count"] == 500
        assert len(caught.value.details["problems"]) == MAX_SHOWN
        assert caught.value.message.endswith("There are 499 more problems.")


class TestFileCheckBySpecialist:
    def test_problems_of_machine_histories_are_reported(self) -> None:
        short = machine(4)
        short["sensors"] = {name: values[:5] for name, values in short["sensors"].items()}
        dead = machine(5)
        dead["sensors"]["T24"][3] = 9999.0
        del dead["sensors"]["T30"]
        dead["sensors"]["T99"] = [1.0] * CYCLES
        uneven = machine(6)
        uneven["sensors"]["BPR"].pop()
        found = told(LIFE, lines_of(machine(1), short, dead, uneven, machine(1)))
        assert found >= {
            (2, "T24", "wrong_length"),
            (3, "T24", "out_of_range"),
            (3, "T30", "missing_field"),
            (3, "T99", "unknown_field"),
            (4, "BPR", "unequal_lengths"),
            (5, None, "duplicate_example"),
        }
        assert told(LIFE, lines_of(machine(1))) == {(None, None, "too_few_rows")}

    def test_problems_of_sensor_series_are_reported(self) -> None:
        good = {"sensors": {"flow": [1.0, 2.0] * 200, "heat": [3.0, 4.0] * 200}}
        assert told(
            ANOMALY,
            file(
                good,
                {"sensors": {"flow": [1.0] * 10}},
                {"sensors": {"flow": ["x"] * 150, "heat": [1e39, *[1.0] * 149]}},
                {**good, "label": "bad", "units": {"flow": "baar", "speed": "rpm"}},
                {"sensors": {"flow": [1.0, 3.0] * 60, "heat": [1.0] * 119}},
            ),
        ) == {
            (2, "heat", "missing_field"),
            (3, "flow", "wrong_type"),
            (3, "heat", "out_of_range"),
            (4, "label", "wrong_type"),
            (5, "heat", "unequal_lengths"),
        }
        few = {"sensors": {"flow": [1.0, 2.0] * 60, "still": [1.0] * 120}}
        assert told(ANOMALY, file(few)) == {
            (None, None, "too_few_rows"),
            (None, "still", "constant_field"),
        }

    def test_problems_of_tags_are_reported(self) -> None:
        lines = [
            {"tag": f"KB-RT {at}", "concept": f"https://example.com/none#{at}"} for at in range(3)
        ]
        found = told(TAGS, file(*lines, {"tag": "", "concept": "x"}))
        assert {(at, "concept", "unknown_label") for at in (1, 2, 3)} <= found
        assert {(4, "tag", "invalid_tag"), (None, None, "too_few_rows")} <= found

    def test_problems_of_images_are_reported(self) -> None:
        lines = [
            {"image": "no base64!", "label": ""},
            {"image": "AAAA", "label": "x"},
            {"label": 3},
        ]
        assert told(SURFACE, file(*lines)) == {
            (1, "label", "invalid_label"),
            (1, "image", "invalid_image"),
            (2, "image", "invalid_image"),
            (3, "image", "missing_field"),
            (3, "label", "wrong_type"),
        }


class TestImageFileCheck:
    def test_zip_of_folders_is_counted_by_label(self) -> None:
        found = check_training_file(SURFACE, zip_of(folders(6)), UUID(int=1), "cpu", False)
        assert found.training_examples == 18
        assert found.labels == {"brushed": 6, "pitted": 6, "rough": 6}
        assert found.warnings == ("Images by label: brushed: 6, pitted: 6, rough: 6.",)

    def test_damaged_file_of_a_zip_is_named(self) -> None:
        content = zip_of(folders(6) | {"rough/broken.jpg": b"\xff\xd8\xff"})
        assert told(SURFACE, content) == {(None, "rough/broken.jpg", "invalid_image")}


class TestFileCheckEncoding:
    """Encodings, line endings and files that are not JSON Lines; the same for every specialist."""

    @pytest.mark.parametrize(
        "content",
        [
            b"\xef\xbb\xbf" + file(*points()),
            file(*points()).replace(b"\n", b"\r\n"),
            file(*points()).rstrip(b"\n"),
            file(*points()).decode().encode("utf-16"),
        ],
        ids=["bom", "crlf", "no last line end", "utf-16"],
    )
    def test_bom_crlf_and_utf_16_are_accepted(self, content: bytes) -> None:
        assert (
            check_training_file(FAILURE, content, UUID(int=1), "cpu", False).training_examples == 40
        )

    def test_gb_18030_is_accepted_with_a_warning(self) -> None:
        stretch = {"sensors": {"压力": [1.0, 2.0] * 200, "流量传感器": [3.0, 5.0] * 200}}
        content = file(stretch).decode().encode("gb18030")
        examined = check_training_file(ANOMALY, content, UUID(int=1), "cpu", False)
        assert examined.training_examples == 400
        assert examined.warnings[0] == "The file was read as GB 18030 (GBK)."

    def test_few_rows_of_normal_operation_give_a_warning(self) -> None:
        content = file({"sensors": {"flow": [1.0, 2.0] * 200}})
        (said,) = check_training_file(ANOMALY, content, UUID(int=1), "cpu", False).warnings
        assert said.startswith("400 rows of normal operation are enough for training")

    def test_mixed_encodings_are_reported_by_line(self) -> None:
        one = json.dumps({"tag": "送风温度", "concept": "x"}, ensure_ascii=False)
        content = one.encode() + b"\n" + one.encode("gb18030") + b"\n"
        assert (2, None, "mixed_encodings") in told(TAGS, content)

    def test_unsupported_encoding_is_reported(self) -> None:
        content = file({"tag": "Lüftung Büro", "concept": "x"}).decode().encode("latin-1")
        assert (1, None, "encoding") in told(TAGS, content)

    @pytest.mark.parametrize(
        ("content", "code"),
        [
            (b"", "empty_file"),
            (b"\n \r\n", "empty_file"),
            (b"type;torque\nL;41,5\n", "not_json_lines"),
            (b"type,torque\nL,41.5\n", "not_json_lines"),
            (json.dumps(points()).encode(), "json_array"),
            (json.dumps(POINT, indent=2).encode(), "several_lines_an_object"),
            (file(*points())[:-40], "truncated_line"),
            (b'{"type": "L",}\n', "invalid_json"),
            (file({**POINT, "type": "L" * 70_000}), "line_too_long"),
        ],
    )
    def test_file_that_is_not_json_lines_is_reported_with_a_code(
        self, content: bytes, code: str
    ) -> None:
        assert code in {one["code"] for one in problems(FAILURE, content)}


class TestFileCheckEndpoints:
    async def test_invalid_file_is_rejected_by_job_and_quote_without_charge(
        self, customer: Customer, upstream: FakeUpstream
    ) -> None:
        content = lines_of(machine(1), {"sensors": {}}, {"x": 1})
        body = {"model": REMAINING_LIFE, "training_file": await customer.sends_file(content)}
        for path in ("/v1/quote", "/v1/fine_tuning/jobs"):
            answer = await customer.gateway.http.post(path, json=body)
            error = answer.json()["error"]
            assert (answer.status_code, error["code"]) == (400, "invalid_training_file")
            assert error["param"] == "training_file"
            assert error["problem_count"] == len(error["problems"]) == 17
            assert {one["line"] for one in error["problems"]} == {2, 3}
        assert (await customer.openai.fine_tuning.jobs.list()).data == []
        assert upstream.learner.files == []
        assert await customer.gateway.rows(0) == []

    async def test_check_endpoint_reports_valid_and_invalid_files(self, customer: Customer) -> None:
        good = await customer.sends_file(machines("8"))
        bad = await customer.sends_file(b"type;torque\n")
        found = [(await self._check(customer, one, REMAINING_LIFE)).json() for one in (good, bad)]
        assert [one["valid"] for one in found] == [True, False]
        assert [one["examples"] for one in found] == [3, None]
        assert [one["problem_count"] for one in found] == [0, 1]
        assert found[1]["problems"][0]["code"] == "not_json_lines"
        assert (await self._check(customer, "file_1", REMAINING_LIFE)).status_code == 404
        assert (await self._check(customer, good, "nothing")).status_code == 404

    async def test_quote_of_a_valid_file_counts_its_examples(self, customer: Customer) -> None:
        body = {"model": REMAINING_LIFE, "training_file": await customer.sends()}
        quote = (await customer.gateway.http.post("/v1/quote", json=body)).json()
        assert (quote["examples"], quote["warnings"]) == (3, [])

    async def test_check_command_prints_problems_and_exits_with_1(
        self, maas: Maas, tmp_path: Path
    ) -> None:
        good, bad = tmp_path / "good.jsonl", tmp_path / "bad.jsonl"
        good.write_bytes(file(*points()))
        bad.write_bytes(file({**POINT, "torque": 4000}))
        said = await maas.say("files", "check", str(good), "--model", SPECIALIST)
        assert (said["valid"], said["examples"]) == (True, 40)
        code, out = await maas.run("files", "check", str(bad), "--model", SPECIALIST)
        assert code == 1
        assert "out_of_range" in out

    async def test_check_command_shows_the_columns_of_a_table(
        self, maas: Maas, tmp_path: Path
    ) -> None:
        table = tmp_path / "line 3.csv"
        table.write_bytes(tables.csv(tables.machines(4, 20)))
        options = ("--target", "failure", "--machine", "machine", "--ignore", "wear")
        said = await maas.say("files", "check", str(table), "--model", CLASSIFIER, *options)
        roles = {column["name"]: column["role"] for column in said["schema"]["columns"]}
        assert (roles["failure"], roles["machine"], roles["wear"]) == (
            "target",
            "machine",
            "ignored",
        )
        curve = tmp_path / "load.csv"
        curve.write_bytes(tables.csv(load_curve()))
        options = ("--target", "outdoor", "--time", "time")
        said = await maas.say("files", "check", str(curve), "--model", FORECASTER, *options)
        roles = {column["name"]: column["role"] for column in said["schema"]["columns"]}
        assert (said["examples"], roles["outdoor"], roles["time"]) == (504, "target", "time")
        code, out = await maas.run("files", "check", str(table), "--model", CLASSIFIER)
        assert code == 0
        assert "temperature" in out

    async def test_check_command_takes_the_settings_of_histories(
        self, maas: Maas, tmp_path: Path
    ) -> None:
        table = tmp_path / "lives.csv"
        table.write_bytes(tables.csv(histories(4)))
        check = ("files", "check", str(table), "--model", MODELS["series_life"].id)
        options = ("--machine", "machine", "--time", "cycle", "--cap", "30", "--censored", "M3")
        said = await maas.say(*check, *options)
        roles = {column["name"]: column["role"] for column in said["schema"]["columns"]}
        assert (said["valid"], roles["cycle"]) == (True, "time")
        code, out = await maas.run(*check, "--window", "5")
        assert code == 1
        assert "unsupported_setting" in out

    async def test_check_command_takes_the_settings_of_anomalies(
        self, maas: Maas, tmp_path: Path
    ) -> None:
        table = tmp_path / "pump.csv"
        table.write_bytes(tables.csv(process(120, fault_rows=20, label=True)))
        check = ("files", "check", str(table), "--model", ANOMALY.id, "--target", "state")
        said = await maas.say(*check, "--false-alarms", "0.005", "--normal", "normal")
        roles = {column["name"]: column["role"] for column in said["schema"]["columns"]}
        assert (said["examples"], roles["state"], roles["grade"]) == (100, "target", "input")
        code, out = await maas.run(*check, "--normal", "fine")
        assert code == 1
        assert "no_normal_label" in out

    async def _check(self, customer: Customer, file: str, model: str) -> httpx.Response:
        return await customer.gateway.http.post(f"/v1/files/{file}/check", json={"model": model})


class TestSensitivityHyperparameter:
    async def test_sensitivity_is_passed_to_the_training_server(
        self, customer: Customer, upstream: FakeUpstream
    ) -> None:
        stretch = {"sensors": {"flow": [1.0, 2.0] * 200}}
        customer.model = ANOMALY.id
        file_id = await customer.sends_file(file(stretch))
        body = {
            "model": ANOMALY.id,
            "training_file": file_id,
            "hyperparameters": {"sensitivity": 1.5},
        }
        job = (await customer.gateway.http.post("/v1/fine_tuning/jobs", json=body)).json()
        assert job["hyperparameters"] == {"n_epochs": "auto", "sensitivity": 1.5}
        await upstream.learner.learning.wait()
        assert upstream.learner.sensitivities == ["1.500000"]

    @pytest.mark.parametrize(
        ("model", "value"),
        [
            (ANOMALY.id, 0.2),
            (ANOMALY.id, 4.5),
            (ANOMALY.id, "high"),
            (ANOMALY.id, True),
            (LIFE.id, 1),
        ],
    )
    async def test_invalid_or_unsupported_sensitivity_is_rejected(
        self, customer: Customer, model: str, value: Any
    ) -> None:
        body = {
            "model": model,
            "training_file": await customer.sends(),
            "hyperparameters": {"sensitivity": value},
        }
        answer = await customer.gateway.http.post("/v1/fine_tuning/jobs", json=body)
        error = answer.json()["error"]
        assert (answer.status_code, error["param"]) == (400, "hyperparameters")
