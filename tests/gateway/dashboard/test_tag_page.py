"""The page of plant tags: proposals, confirmations, training files, the table of concepts."""

import json
from typing import Any

import httpx
import msgspec
import pytest

from gateway.dashboard.pages.own_models.tag_list import (
    TagsNotAligned,
    build_training_file,
    confirmed_tags,
    read_answer,
    read_concepts,
    read_tags,
    render_aligned,
)
from gateway.identity.roles import Role
from models.catalog import Task
from tests.gateway.dashboard.chat_form import key_of
from tests.support.builders import CATALOG
from tests.support.dashboard.firm import Firm
from tests.support.dashboard.looking import Looker, looker, words
from tests.support.dashboard.plant_tags import TAG_PAGE, tag_outputs
from tests.support.fakes.upstream import FakeUpstream
from tests.support.training_files import confirmations

MODEL = CATALOG.with_task(Task.ALIGNMENT)[0].id


async def send(firm: Firm, who: Looker | None = None, **fields: Any) -> httpx.Response:
    one = who or firm.owner
    values = {"csrf": one.csrf, "model": MODEL, "key": key_of(firm), **fields}
    return await one.http.post(TAG_PAGE, data=values)


def confirmed_fields() -> dict[str, Any]:
    """The fields of a form with confirmed tags that are enough for a training."""
    fields: dict[str, Any] = {"tags": "x"}
    lines = [json.loads(line) for line in confirmations()[0].splitlines()]
    for number, line in enumerate(lines):
        fields |= {f"tag.{number}": line["tag"], f"concept.{number}": line["concept"]}
    return fields


class TestLists:
    def test_tags_are_lines_each_once(self) -> None:
        assert read_tags(" a b \n\nc\na b\n") == ["a b", "c"]

    @pytest.mark.parametrize("text", ["", " \n", "\n".join(map(str, range(4_097)))])
    def test_no_or_too_many_tags_are_refused(self, text: str) -> None:
        with pytest.raises(TagsNotAligned) as caught:
            read_tags(text)
        assert caught.value.param == "tags"

    def test_concepts_have_names_and_aliases(self) -> None:
        assert read_concepts("RT; Room temperature; Raumtemp;\n\nSAT；送风温度") == [
            {"concept": "RT", "name": "Room temperature", "aliases": ["Raumtemp"]},
            {"concept": "SAT", "name": "送风温度", "aliases": []},
        ]
        with pytest.raises(TagsNotAligned):
            read_concepts("RT")

    def test_tags_without_a_concept_are_skipped(self) -> None:
        fields = {"tag.0": "a", "concept.0": "X ", "tag.1": "b", "concept.1": " ", "name": "n"}
        assert confirmed_tags(fields) == {"a": "X"}

    def test_tag_that_is_confirmed_again_replaces_its_earlier_line(self) -> None:
        earlier = build_training_file(b"", read_concepts("X; x\nY; y"), {"a": "X", "b": "X"})
        content = build_training_file(earlier, read_concepts("Y; why"), {"b": "Y"})
        lines = [msgspec.json.decode(line) for line in content.splitlines()]
        assert lines == [
            {"concept": "X", "name": "x", "aliases": []},
            {"concept": "Y", "name": "why", "aliases": []},
            {"tag": "a", "concept": "X"},
            {"tag": "b", "concept": "Y"},
        ]

    def test_answer_is_a_table_or_the_error_of_the_call(self) -> None:
        one = dict.fromkeys(("concept", "name", "kind", "equipment", "unit"))
        content = render_aligned([{**one, "tag": "a", "score": 0.5}]).decode("utf-8-sig")
        assert content.splitlines() == ["tag,concept,name,score,kind,equipment,unit", "a,,,0.5,,,"]
        with pytest.raises(TagsNotAligned, match="No credit"):
            read_answer(402, b'{"error": {"message": "No credit."}}')


async def test_confirmed_tags_are_priced_and_become_a_training(office: Firm) -> None:
    priced = await send(office, action="price", **confirmed_fields())
    assert priced.status_code == 200, words(priced.text)
    assert "Maximum cost" in words(priced.text)
    files = (await office.gateway.http.get("/v1/files")).json()["data"]
    assert files == []
    started = await send(office, action="train", name="plant", **confirmed_fields())
    assert started.status_code in (302, 303)
    (job,) = (await office.gateway.http.get("/v1/fine_tuning/jobs")).json()["data"]
    assert (job["model"], job["suffix"]) == (MODEL, "plant")
    assert job["id"] in started.headers["location"]


async def test_problem_of_the_form_keeps_what_was_entered(office: Firm) -> None:
    few: dict[str, Any] = {"tag.0": "a_1", "concept.0": "X", "tags": "a_1", "concepts": "X; x"}
    refused = await send(office, action="price", **few)
    assert refused.status_code == 422
    assert 'value="a_1"' in refused.text
    assert "tags; at least 10 are needed" in words(refused.text)
    empty = await send(office, action="propose", tags="")
    assert (empty.status_code, "Enter at least one tag." in words(empty.text)) == (422, True)
    assert (await office.gateway.http.get("/v1/usage")).json()["data"] == []


async def test_key_of_another_account_returns_404(office: Firm) -> None:
    assert (await send(office, who=office.stranger, action="train")).status_code == 404


@pytest.mark.parametrize(("role", "status"), [(Role.VIEWER, 403), (Role.DEVELOPER, 200)])
async def test_roles_that_may_call_see_the_page(office: Firm, role: Role, status: int) -> None:
    gateway = office.gateway
    async with looker(gateway.url, gateway.parts, gateway.account.id, role) as one:
        assert ("Propose tags" in await one.page(TAG_PAGE, status)) == (status == 200)


async def test_all_tags_are_one_billed_call_and_a_file(
    office: Firm, upstream: FakeUpstream
) -> None:
    upstream.outputs = tag_outputs
    response = await send(office, action="align", tags="a_1\nb_2", concepts="RT; Room; Raum")
    assert response.status_code == 200, words(response.text)
    assert response.content.decode("utf-8-sig").splitlines()[1:] == [
        "a_1,RT,,0.9,,,",
        "b_2,RT,,0.9,,,",
    ]
    (row,) = (await office.gateway.http.get("/v1/usage")).json()["data"]
    assert (row["operation"], row["rows"]) == ("tag_alignment", 2)
    assert row["tags"] == {"source": "tags"}
    sent = {one["name"]: one["data"] for one in upstream.received[-1]["inputs"]}
    assert json.loads(sent["concepts"][0])[0]["id"] == "RT"
