"""Training examples per task: file formats, and splits of the real data without leaks."""

import gzip
import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from models.industrial_llm.data import (
    TASKS,
    Selection,
    SelectionInvalid,
    list_sources,
    load,
    load_available,
)
from models.industrial_llm.examples import FOLDS, DatasetSplit
from models.industrial_llm.splitting import near_duplicate_matrix
from models.industrial_llm.tasks import extraction, failure_mode, plain_text, severity, unknown
from models.industrial_llm.tasks.files import ExamplesInvalid, read_pairs
from models.training_data import TrainingDataMissing, default_directory
from tests.support.json_schemas import jsonschema
from tests.support.nightly import nightly

OWN = ("tool_choice", "unknown", "passages", "grounded")
WITHOUT_SETS = {"failure_mode", "fault_system", *OWN}
# Texts of these tasks share most of their words; test_passages.py and test_grounded.py check their
# splits by fact and by document.
ALIKE = {"passages", "grounded"}

needs_data = pytest.mark.skipif(
    not (default_directory() / "maint_text").is_dir(), reason="the training sets are absent"
)


def write(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    packed = text.encode()
    path.write_bytes(gzip.compress(packed) if name.endswith(".gz") else packed)


@pytest.fixture(scope="module")
def corpus() -> Mapping[str, DatasetSplit]:
    return load(default_directory(), Selection())


class TestAvailableData:
    @nightly
    def test_own_examples_need_no_data_sets(self, tmp_path: Path) -> None:
        found = load_available(tmp_path)
        assert found.keys() == WITHOUT_SETS
        assert all(parts.train for parts in found.values())
        judged = {name: len(parts.test) for name, parts in found.items()}
        assert judged["tool_choice"] == 200
        assert min(judged["failure_mode"], judged["unknown"]) > 20

    @nightly
    def test_present_data_set_is_loaded(self, tmp_path: Path) -> None:
        write(tmp_path, "maint_text/fmc/train.txt", "squeaks,Noise\n")
        write(tmp_path, "maint_text/fmc/dev.txt", "shudders,Vibration\n")
        found = load_available(tmp_path)["failure_mode"]
        assert "shudders" in {one.text for one in found.test}
        assert {one.source for one in found.train} == {failure_mode.FMC, failure_mode.OWN_SOURCE}


class TestFileFormats:
    def test_failure_mode_files_are_parsed(self, tmp_path: Path) -> None:
        write(tmp_path, "maint_text/fmc/train.txt", "squeaks, loudly,Noise\n\ndrips,Leaking\n")
        write(tmp_path, "maint_text/fmc/dev.txt", "shudders,Vibration\n")
        parts = failure_mode.load(tmp_path, 0)
        fmc = [one for one in parts.train if one.source == failure_mode.FMC]
        assert [(one.text, one.answer) for one in fmc] == [
            ("squeaks, loudly", "Noise"),
            ("drips", "Leaking"),
        ]
        assert ("shudders", "Vibration") in {(one.text, one.answer) for one in parts.test}

    def test_plain_text_files_are_parsed(self, tmp_path: Path) -> None:
        for company in plain_text.COMPANIES:
            for part in ("train", "val", "test"):
                lines = f"{company}{part}77\t<id>\nC/O\tchange out\n-\t\nhyd\thydraulic\n\n"
                write(tmp_path, f"maint_text/maintnorm/{company}_{part}.norm.gz", lines)
        (order, _) = plain_text.load(tmp_path, 0).test
        assert order.text == "atest77 C/O - hyd"
        assert order.answer == "<id> change out hydraulic"
        assert order.source == plain_text.company_source("a")

    def test_extraction_file_is_parsed(self, tmp_path: Path) -> None:
        order = {
            "text": "replace oil pump",
            "tokens": ["replace", "oil", "pump"],
            "entities": [
                {"start": 0, "end": 1, "type": "Activity/MaintenanceActivity/Replace"},
                {"start": 1, "end": 3, "type": "PhysicalObject/GeneratingObject"},
            ],
            "relations": [{"head": 0, "tail": 1, "type": "hasParticipant/hasPatient"}],
        }
        write(tmp_path, str(extraction.FILE), json.dumps([order]))
        parts = extraction.load(tmp_path, 0)
        (one,) = parts.train + parts.validation + parts.test
        assert json.loads(one.answer) == {
            "entities": [
                {"text": "replace", "type": "Activity"},
                {"text": "oil pump", "type": "PhysicalObject"},
            ],
            "relations": [{"head": "replace", "type": "hasPatient", "tail": "oil pump"}],
        }

    def test_severity_file_is_parsed(self, tmp_path: Path) -> None:
        columns = [*severity.QUESTION_COLUMNS, "Subsystem", "Severity", "Recommended Action"]
        rows = [
            ["Pump", "Seal", "Leaking", "Fire", "Hydraulic System", "4", ""],
            ["Cab", "Door", "Rattling", "Noise", "Cab", "1", "Oil hinges"],
        ]
        lines = "\n".join(",".join(row) for row in [columns, *rows])
        write(tmp_path, str(severity.FILE), lines)
        parts = severity.load(tmp_path, 0)
        assert [one.answer for one in parts.test] == ['{"severity": 4, "next_step": null}']
        assert [one.text for one in parts.train] == ["Cab; Door; Rattling; Noise"]

    @pytest.mark.parametrize("task", sorted(set(TASKS) - set(OWN)))
    def test_missing_file_raises_training_data_missing(self, tmp_path: Path, task: str) -> None:
        with pytest.raises(TrainingDataMissing, match="is absent"):
            load(tmp_path, Selection((task,)))

    @pytest.mark.parametrize("line", ["no tab", "\ttext", "a\t ", "a\tb\tc"])
    def test_invalid_line_is_rejected_with_file_and_line(self, tmp_path: Path, line: str) -> None:
        (tmp_path / "own.tsv").write_text(f"a\tb\n{line}\n", encoding="utf-8")
        with pytest.raises(ExamplesInvalid, match=r"own\.tsv, line 2"):
            read_pairs(tmp_path / "own.tsv")


class TestSelection:
    @pytest.mark.parametrize(
        "selection",
        [
            Selection(("poetry",)),
            Selection(OWN, frozenset({"own_requets"})),
            Selection(OWN, fold=FOLDS),
            Selection(OWN, fold=-1),
        ],
    )
    def test_unknown_task_source_or_fold_is_rejected(
        self, tmp_path: Path, selection: Selection
    ) -> None:
        with pytest.raises(SelectionInvalid, match="There is no"):
            load(tmp_path, selection)

    def test_excluded_source_remains_in_test_split(self, tmp_path: Path) -> None:
        whole = load(tmp_path, Selection(("unknown",)))["unknown"]
        left = load(tmp_path, Selection(("unknown",), frozenset({unknown.SOURCE})))["unknown"]
        assert (left.train, left.validation, left.test) == ((), (), whole.test)
        assert list_sources({"unknown": whole}) == (unknown.SOURCE,)


class TestTasks:
    @pytest.mark.parametrize("task", TASKS)
    def test_task_has_instructions_in_both_languages(self, task: str) -> None:
        assert TASKS[task].name == task
        assert set(TASKS[task].instructions) == {"en", "zh"}
        assert all(TASKS[task].instructions.values())

    @pytest.mark.parametrize("task", [name for name, one in TASKS.items() if one.schema])
    def test_task_schema_is_valid_json_schema(self, task: str) -> None:
        jsonschema.Draft202012Validator.check_schema(dict(TASKS[task].schema or {}))


@needs_data
@nightly
class TestRealData:
    @pytest.mark.parametrize("task", sorted(set(TASKS) - ALIKE))
    def test_splits_share_no_near_duplicates(
        self, corpus: Mapping[str, DatasetSplit], task: str
    ) -> None:
        sides = [
            [one.text for one in some]
            for some in (corpus[task].train, corpus[task].validation, corpus[task].test)
        ]
        for first, second in ((0, 1), (0, 2), (1, 2)):
            if sides[first] and sides[second]:
                assert near_duplicate_matrix(sides[first], sides[second]).nnz == 0
        assert sides[0]
        assert sides[2]

    @pytest.mark.parametrize("task", [name for name, one in TASKS.items() if one.schema])
    def test_answers_are_valid_against_schema(
        self, corpus: Mapping[str, DatasetSplit], task: str
    ) -> None:
        validator = jsonschema.Draft202012Validator(dict(TASKS[task].schema or {}))
        for one in corpus[task].train + corpus[task].validation + corpus[task].test:
            assert validator.is_valid(json.loads(one.answer)), one

    @pytest.mark.parametrize("task", ["failure_mode", "fault_system"])
    def test_answers_are_the_task_labels(
        self, corpus: Mapping[str, DatasetSplit], task: str
    ) -> None:
        answers = {one.answer for one in corpus[task].train + corpus[task].test}
        assert answers == set(TASKS[task].labels)

    def test_term_pairs_are_in_a_single_split_in_both_directions(
        self, corpus: Mapping[str, DatasetSplit]
    ) -> None:
        parts = corpus["terms"]
        learned = {frozenset((one.text, one.answer)) for one in parts.train + parts.validation}
        assert not learned & {frozenset((one.text, one.answer)) for one in parts.test}
        languages = [one.language for one in parts.test]
        assert min(languages.count("en"), languages.count("zh")) > 100

    def test_each_fault_is_tested_in_exactly_one_fold(self) -> None:
        folds = [
            load(default_directory(), Selection(("fault_system",), fold=fold))["fault_system"]
            for fold in range(FOLDS)
        ]
        assert sum(len(fold.test) for fold in folds) == 100
        assert len({one.text for fold in folds for one in fold.test}) == 100

    def test_excluded_company_is_only_in_test_split(self) -> None:
        left_out = frozenset({plain_text.company_source("b")})
        parts = load(default_directory(), Selection(("plain_text",), left_out))["plain_text"]
        assert {one.source for one in parts.train} == {plain_text.company_source("a")}
        assert {one.source for one in parts.test} == {
            plain_text.company_source("a"),
            plain_text.company_source("b"),
        }

    def test_held_out_subsystems_are_absent_from_training(
        self, corpus: Mapping[str, DatasetSplit]
    ) -> None:
        parts = corpus["severity"]
        held = {one.source for one in parts.test + parts.validation}
        assert held == severity.TEST | severity.VALIDATION
        assert not held & {one.source for one in parts.train}
