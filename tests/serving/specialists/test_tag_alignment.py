"""The tag alignment specialist: inputs, outputs, validation and variants."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from models import multilingual
from models.catalog import Task, load_catalog
from models.multilingual import Vectors
from models.signature import Columns, validate_columns
from models.tag_align import adapt
from models.tag_align.aligner import ARTEFACT
from models.tag_align.confirmations import render_variant
from models.tag_align.own_concepts import parse_own_concepts
from serving.errors import InputInvalid, WeightsBroken
from serving.specialists.inference import parse_inference, render_inference, run_batch
from serving.specialists.tag_alignment import (
    MAX_BY_MEANING,
    TOP,
    TagAlignmentSpecialist,
    load_tag_alignment,
)
from tests.support.profile import PROFILE

ROOM = "https://brickschema.org/schema/Brick#Room_Air_Temperature_Sensor"
SUPPLY = "https://brickschema.org/schema/Brick#Supply_Air_Temperature_Sensor"


@pytest.fixture(scope="module")
def tags() -> TagAlignmentSpecialist:
    return load_tag_alignment("tags", ARTEFACT)


def infer(
    model: TagAlignmentSpecialist,
    *given: str,
    schemes: Sequence[str] = (),
    concepts: Sequence[str] = (),
    places: Sequence[str] = (),
) -> dict[str, Any]:
    texts = {
        "tag": list(given),
        "scheme": list(schemes),
        "concepts": list(concepts),
        "list": list(places),
    }
    tensors = [
        {"name": name, "datatype": "BYTES", "shape": [len(column)], "data": column}
        for name, column in texts.items()
        if column
    ]
    asked, columns = parse_inference(model, json.dumps({"inputs": tensors}).encode(), None)
    (results,) = run_batch([(model, columns, len(given))])
    answer = json.loads(render_inference(model, asked, results).body)
    return {output["name"]: output["data"] for output in answer["outputs"]}


def tag_columns(model: TagAlignmentSpecialist, tags: Sequence[str]) -> Columns:
    """The columns of a request with these tags only."""
    return validate_columns(model.signature, {"tag": np.array(tags, dtype=object)}, {})


class TestTagAlignment:
    def test_catalog_lists_alignment_model(self) -> None:
        (model,) = load_catalog(PROFILE).with_task(Task.ALIGNMENT)
        assert model.weights.source == "tag_align/vocabulary.json"

    def test_concepts_are_ranked_by_score(self, tags: TagAlignmentSpecialist) -> None:
        answer = infer(tags, "Zone Temp 12", "送风温度")
        assert answer["concept"] == [ROOM, SUPPLY]
        assert answer["name"][0] == "Room Air Temperature Sensor"
        assert [len(each) for each in answer["candidates"]] == [TOP, TOP]
        assert answer["candidates"][0][0] == ROOM
        assert answer["candidate_scores"][0] == sorted(answer["candidate_scores"][0], reverse=True)
        assert answer["score"][0] == answer["candidate_scores"][0][0]

    def test_unrecognised_tag_has_no_candidates(self, tags: TagAlignmentSpecialist) -> None:
        answer = infer(tags, "§§ 17")
        assert (answer["concept"], answer["name"], answer["score"]) == ([""], [""], [0.0])
        assert answer["candidates"] == [[""] * TOP]

    @pytest.mark.parametrize("tag", ["", "  ", "x" * 513, "a\x00b"])
    def test_invalid_tag_is_rejected_with_row(self, tags: TagAlignmentSpecialist, tag: str) -> None:
        with pytest.raises(InputInvalid, match="row 1") as caught:
            infer(tags, "Zone Temp", tag)
        assert caught.value.param == "tag"

    def test_scheme_is_selected_per_row(self, tags: TagAlignmentSpecialist) -> None:
        answer = infer(tags, *["Zone Temp"] * 3, schemes=["brick", "building-point", "aas"])
        brick, point, shell = answer["concept"]
        assert (brick, point) == (ROOM, "room_temperature_sensor")
        assert shell in tags.schemes["aas"].positions

    def test_missing_scheme_defaults_to_brick(self, tags: TagAlignmentSpecialist) -> None:
        left_out, named = infer(tags, "Zone Temp"), infer(tags, "Zone Temp", schemes=["brick"])
        assert left_out == named

    @pytest.mark.parametrize("scheme", ["haystack", "Brick", ""])
    def test_unknown_scheme_is_rejected_with_row(
        self, tags: TagAlignmentSpecialist, scheme: str
    ) -> None:
        with pytest.raises(InputInvalid, match=r"row 1 .*building-point, brick, aas") as caught:
            infer(tags, "Zone Temp", "Zone Temp", schemes=["brick", scheme])
        assert caught.value.param == "scheme"

    def test_requests_with_and_without_scheme_share_a_batch(
        self, tags: TagAlignmentSpecialist
    ) -> None:
        bare = {"inputs": [{"name": "tag", "datatype": "BYTES", "shape": [1], "data": ["S1"]}]}
        scheme = {"name": "scheme", "datatype": "BYTES", "shape": [1], "data": ["aas"]}
        both = {"inputs": [*bare["inputs"], scheme]}
        asked = [parse_inference(tags, json.dumps(body).encode(), None)[1] for body in (bare, both)]
        first, second = run_batch([(tags, columns, 1) for columns in asked])
        assert first["candidates"].tolist() == tags.run(asked[0])["candidates"].tolist()
        assert second["candidates"].tolist() == tags.run(asked[1])["candidates"].tolist()
        assert first["concept"] != second["concept"]

    def test_missing_artefact_raises_weights_broken(self, tmp_path: Any) -> None:
        with pytest.raises(WeightsBroken):
            load_tag_alignment("tags", tmp_path / "nothing.json")


OWN = '[{"id": "RT", "name": "Room temperature"}, {"id": "SAT", "name": "Supply air temperature"}]'
LIST = ("vav 1 / dmpr pos", "vav 2 / dmpr pos", "vav 1 / room temp", "ahu 1 / sat")


class TestOwnConceptsAndLists:
    def test_own_concepts_apply_to_the_rows_that_follow(self, tags: TagAlignmentSpecialist) -> None:
        answer = infer(tags, "R1 room temp", "AHU1_SAT", schemes=["own", "own"], concepts=[OWN, ""])
        assert answer["concept"] == ["RT", "SAT"]

    def test_own_scheme_without_concepts_is_rejected(self, tags: TagAlignmentSpecialist) -> None:
        with pytest.raises(InputInvalid, match="row 0") as caught:
            infer(tags, "room temp", schemes=["own"])
        assert caught.value.param == "concepts"

    def test_invalid_own_concepts_are_rejected(self, tags: TagAlignmentSpecialist) -> None:
        with pytest.raises(InputInvalid, match=r"row 0: .*JSON"):
            infer(tags, "room temp", schemes=["own"], concepts=["{"])

    def test_list_is_ranked_by_what_to_confirm_first(self, tags: TagAlignmentSpecialist) -> None:
        answer = infer(tags, *LIST, places=["new", "same", "same", "same"])
        assert answer["confirm_rank"][:2] == [1, 0]
        assert sorted(answer["confirm_rank"]) == [0, 1, 2, 3]
        assert infer(tags, *LIST)["confirm_rank"] == [0, 0, 0, 0]

    def test_list_must_begin_within_the_request(self, tags: TagAlignmentSpecialist) -> None:
        with pytest.raises(InputInvalid, match="row 0") as caught:
            infer(tags, "room temp", places=["same"])
        assert caught.value.param == "list"

    def test_lists_of_requests_in_one_batch_are_ranked_apart(
        self, tags: TagAlignmentSpecialist
    ) -> None:
        row = {"tag": np.array(LIST[:2], dtype=object), "list": np.array(["new", "same"], object)}
        columns = validate_columns(tags.signature, row, {})
        first, second = run_batch([(tags, columns, 2), (tags, columns, 2)])
        assert first["confirm_rank"].tolist() == second["confirm_rank"].tolist() == [1, 0]

    def test_variant_with_own_concepts_uses_them_by_default(
        self, tags: TagAlignmentSpecialist
    ) -> None:
        own = parse_own_concepts(OWN)
        variant = tags.load_variant("v", "1", render_variant({"QX 1": "RT"}, own))
        assert infer(variant, "QX 7", "AHU1_SAT")["concept"] == ["RT", "SAT"]
        assert infer(variant, "Zone Temp", schemes=["brick"]) == infer(tags, "Zone Temp")

    def test_answer_describes_the_tag(self, tags: TagAlignmentSpecialist) -> None:
        answer = infer(tags, "site / ahu 3 / vav 109 / zone temp [°C]")
        described = [answer[name][0] for name in ("notation", "kind", "equipment", "unit")]
        assert described == ["path", "point", "vav 109", "degC"]


class TestTagAlignmentVariant:
    def test_confirmed_tags_take_precedence(self, tags: TagAlignmentSpecialist) -> None:
        variant = tags.load_variant(
            "ft:tags:a:b", "3", render_variant({"KB-RT 7": SUPPLY, "KB-RT 8": SUPPLY})
        )
        assert (variant.name, variant.signature.version) == ("ft:tags:a:b", "3")
        assert infer(variant, "KB-RT 9")["concept"] == [SUPPLY]
        assert infer(tags, "KB-RT 9")["concept"] != [SUPPLY]

    def test_confirmations_affect_only_the_variant_and_its_scheme(
        self, tags: TagAlignmentSpecialist
    ) -> None:
        schemes = {name: one.names.concepts for name, one in tags.schemes.items()}
        concept = schemes["aas"][0].id
        variant = tags.load_variant(
            "v", "1", render_variant({"Hersteller": concept, "Maker": concept})
        )
        assert infer(variant, "Hersteller")["concept"] == [concept]
        assert infer(variant, "Zone Temp", schemes=["brick"]) == infer(tags, "Zone Temp")
        assert infer(tags, "Hersteller", schemes=["aas"])["concept"] != [concept]

    @pytest.mark.parametrize(
        "artefact",
        [
            b"",
            b"{}",
            b"\x80",
            render_variant({"Zone": "no such concept"}),
            render_variant({"": ROOM}),
        ],
    )
    def test_invalid_artefact_raises_weights_broken(
        self, tags: TagAlignmentSpecialist, artefact: bytes
    ) -> None:
        with pytest.raises(WeightsBroken, match="ft:x"):
            tags.load_variant("ft:x", "1", artefact)


class Twins:
    """A fake encoder that distinguishes two words and records the texts that it encodes."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def vectors(self, texts: Sequence[str]) -> Vectors:
        self.asked += texts
        rows = np.eye(3, dtype=np.float32)
        return rows[[2 if "frobnik" in text.lower() else int("Pump" in text) for text in texts]]


@pytest.fixture
def twins(monkeypatch: pytest.MonkeyPatch) -> Twins:
    made = Twins()
    monkeypatch.setattr(adapt, "load_cached_encoder", lambda path, vocabulary: made)
    return made


class TestAlignmentByMeaning:
    def test_missing_encoder_falls_back_to_letters(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(multilingual, "PACKAGE", "no_such_encoder")
        answer = infer(
            load_tag_alignment("tags", ARTEFACT), "Zone Temp", "Frobnikationsgrad", "Störung"
        )
        assert answer["concept"][0] == ROOM
        assert set(answer["basis"]) == {"letters"}

    def test_encoder_is_used_only_for_tags_unresolved_by_letters(self, twins: Twins) -> None:
        model = load_tag_alignment("tags", ARTEFACT)
        twins.asked.clear()
        answer = infer(model, "Zone Temp", "Frobnikgrad", "送风温度")
        assert answer["basis"] == ["letters", "meaning", "letters"]
        assert set(twins.asked) == {"Frobnikgrad", "frobnikgrad"}
        assert answer["concept"][0] == ROOM

    def test_tag_kinds_by_meaning_are_limited_per_run(self, twins: Twins) -> None:
        model = load_tag_alignment("tags", ARTEFACT)
        kinds = [f"Frobnik{chr(97 + at // 26)}{chr(97 + at % 26)} 1" for at in range(110)]
        answer = infer(model, *kinds, kinds[3] + "7")
        assert answer["basis"].count("meaning") == MAX_BY_MEANING + 1
        assert answer["basis"][-1] == "meaning"
        assert set(answer["basis"][MAX_BY_MEANING:-1]) == {"letters"}

    def test_request_has_the_same_answer_alone_and_beside_requests_by_meaning(
        self, twins: Twins
    ) -> None:
        model = load_tag_alignment("tags", ARTEFACT)
        kinds = [f"Frobnik{chr(97 + at // 26)}{chr(97 + at % 26)} 1" for at in range(110)]
        asked = [tag_columns(model, kinds), tag_columns(model, ["Frobnikgrad"])]
        _, beside = run_batch([(model, columns, len(columns["tag"])) for columns in asked])
        (alone,) = run_batch([(model, asked[1], 1)])
        assert beside["basis"].tolist() == alone["basis"].tolist() == ["meaning"]

    def test_variant_uses_encoder_like_its_base(self, twins: Twins) -> None:
        model = load_tag_alignment("tags", ARTEFACT)
        given = {"Frobnikgrad Halle 1": SUPPLY, "Frobnikgrad Dach 2": SUPPLY}
        variant = model.load_variant("v", "1", render_variant(given))
        answer = infer(variant, "Frobnikgrad Halle 1", "Frobnikgrad Halle 9", "Getriebespiel")
        assert answer["basis"] == ["confirmed", "letters", "meaning"]
        assert answer["concept"][:2] == [SUPPLY, SUPPLY]


def test_tag_alignment_output_columns_match_signature(tags: TagAlignmentSpecialist) -> None:
    row = {"tag": np.array(["Zone Temp"], dtype=object)}
    results = tags.run(validate_columns(tags.signature, row, {}))
    assert results.keys() == {field.name for field in tags.signature.outputs}
