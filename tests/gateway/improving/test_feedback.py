"""Feedback with the official client: about own calls only, the last counts, erased for good."""

import asyncio
from typing import Any

import pytest
from openai import APIStatusError
from sqlalchemy import text

from tests.support.builders import SPECIALIST, Gateway
from tests.support.gateway.askers import Asker, firm
from tests.support.gateway.customers import code_of
from tests.support.gateway.errors import error_of

ASKED = [{"role": "user", "content": "Which failure mode: pump leaks at seal?"}]
LESSON = {"messages": ASKED, "correction": "Leaking", "consent": True}


async def told(asker: Asker) -> str:
    """The id of a call that was answered."""
    answer = await asker.asks()
    return str(answer._request_id)


async def listed(asker: Asker, **query: Any) -> Any:
    return await asker.openai.get("/feedback", cast_to=object, options={"params": query})


class TestGiving:
    async def test_a_correction_is_kept_with_consent(self, asker: Asker) -> None:
        request_id = await told(asker)
        given = await asker.says(request_id, comment="It is the seal.", **LESSON)
        assert given["request_id"] == request_id
        assert given["model"] == asker.model
        assert (given["messages"], given["correction"]) == (ASKED, "Leaking")
        assert given["consent"] is True
        got = await asker.openai.get(f"/feedback/{given['id']}", cast_to=object)
        assert got == given

    async def test_without_consent_no_dialogue_is_kept(self, asker: Asker) -> None:
        said = {**LESSON, "consent": False}
        given = await asker.says(await told(asker), comment="No.", **said)
        assert (given["comment"], given["consent"]) == ("No.", False)
        assert given["messages"] is given["correction"] is None

    async def test_a_good_answer_can_be_learned_from(self, asker: Asker) -> None:
        said = {"messages": ASKED, "answer": "Leaking", "consent": True}
        given = await asker.says(await told(asker), "good", **said)
        assert (given["answer"], given["correction"]) == ("Leaking", None)

    async def test_the_last_counts(self, asker: Asker) -> None:
        request_id = await told(asker)
        first = await asker.says(request_id, **LESSON)
        # Without consent, so what was agreed to before is erased.
        second = await asker.says(request_id, "good")
        assert second["id"] == first["id"]
        assert (second["rating"], second["messages"]) == ("good", None)
        assert (await listed(asker))["data"] == [second]

    async def test_twice_at_once_is_one(self, asker: Asker) -> None:
        request_id = await told(asker)
        given = await asyncio.gather(*(asker.says(request_id, **LESSON) for _ in range(5)))
        assert len({one["id"] for one in given}) == 1
        assert len((await listed(asker))["data"]) == 1

    async def test_a_specialists_answer_is_rated_without_a_dialogue(self, gateway: Gateway) -> None:
        body = {"model": SPECIALIST, "instances": [{"torque": 1.0}]}
        answer = await gateway.http.post("/v1/predictions", json=body)
        request_id = answer.headers["x-request-id"]
        said = {"request_id": request_id, "rating": "bad"}
        assert (await gateway.http.post("/v1/feedback", json=said)).status_code == 200
        refused = await gateway.http.post("/v1/feedback", json={**said, **LESSON})
        assert (refused.status_code, error_of(refused)["param"]) == (400, "messages")

    async def test_is_counted_for_operators(self, asker: Asker, gateway: Gateway) -> None:
        await asker.says(await told(asker), "good")
        await asker.says(await told(asker), "bad")
        text = (await gateway.http.get("/metrics")).text
        for rating in ("good", "bad"):
            assert f'maas_feedback_total{{model="{asker.model}",rating="{rating}"}} 1.0' in text


class TestRefusing:
    @pytest.mark.parametrize(
        ("more", "param"),
        [
            ({"rating": "fine"}, "rating"),
            ({"rating": None}, "rating"),
            ({"consent": "yes"}, "consent"),
            ({"comment": "x" * 4001}, "comment"),
            ({"comment": "a\0b"}, "comment"),
            ({"correction": "Leaking"}, "messages"),
            ({"messages": ASKED}, "correction"),
            ({**LESSON, "correction": " "}, "correction"),
            ({**LESSON, "correction": "a\0"}, "correction"),
            ({**LESSON, "rating": "good"}, "correction"),
            ({"messages": ASKED, "answer": "Leaking"}, "answer"),
            ({**LESSON, "messages": []}, "messages"),
            ({**LESSON, "messages": [{"role": "user", "content": ""}]}, "messages[0].content"),
            ({**LESSON, "messages": [{"role": "user", "content": "\0"}]}, "messages[0].content"),
            ({**LESSON, "messages": [{"role": "assistant", "content": "x"}]}, "messages"),
            ({**LESSON, "messages": [{"role": "system", "content": "x"}]}, "messages"),
            ({**LESSON, "messages": [*ASKED, *ASKED]}, "messages"),
            ({**LESSON, "messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
            ({**LESSON, "messages": [{"role": "user", "content": [1]}]}, "messages[0].content"),
            ({**LESSON, "messages": [{**ASKED[0], "name": "x"}]}, "messages[0].name"),
            ({**LESSON, "correction": "x" * (49 << 10)}, "messages"),
            ({"ratin": "bad"}, "ratin"),
        ],
    )
    async def test_a_wrong_shape_names_the_field(
        self, asker: Asker, gateway: Gateway, more: dict[str, Any], param: str
    ) -> None:
        body = {"request_id": await told(asker), "rating": "bad", **more}
        answer = await gateway.http.post("/v1/feedback", json=body)
        assert (answer.status_code, error_of(answer)["param"]) == (400, param)
        assert (await listed(asker))["data"] == []

    @pytest.mark.parametrize(
        "body",
        [b"", b"[]", b"{", b'{"request_id": "req_1", "rating": "bad", "comment": "\xff"}', b"null"],
    )
    async def test_what_is_no_json_object(self, gateway: Gateway, body: bytes) -> None:
        answer = await gateway.http.post("/v1/feedback", content=body)
        assert (answer.status_code, error_of(answer)["code"]) == (400, "invalid_json")

    async def test_half_a_letter(self, asker: Asker, gateway: Gateway) -> None:
        """A JSON text may name what is no character, which no text of PostgreSQL can hold."""
        body = f'{{"request_id": "{await told(asker)}", "rating": "bad", "comment": "\\ud800"}}'
        answer = await gateway.http.post("/v1/feedback", content=body)
        assert answer.status_code == 400

    async def test_too_large(self, gateway: Gateway) -> None:
        answer = await gateway.http.post("/v1/feedback", content=b" " * (300 << 10))
        assert (answer.status_code, error_of(answer)["code"]) == (413, "request_too_large")

    @pytest.mark.parametrize("request_id", ["", "req_1", "req_" + "0" * 32, "x" * 5000, "fb_\0"])
    async def test_no_such_call(self, asker: Asker, request_id: str) -> None:
        with pytest.raises(APIStatusError) as caught:
            await asker.says(request_id)
        assert (caught.value.status_code, code_of(caught.value)) == (404, "request_not_found")

    async def test_a_call_that_was_refused_had_no_answer(
        self, asker: Asker, gateway: Gateway
    ) -> None:
        refused = await gateway.chat("too-long")
        await gateway.rows(1)
        with pytest.raises(APIStatusError) as caught:
            await asker.says(refused.headers["x-request-id"])
        assert caught.value.status_code == 400

    async def test_without_a_key(self, gateway: Gateway) -> None:
        headers = {"authorization": "Bearer nothing"}
        answer = await gateway.http.get("/v1/feedback", headers=headers)
        assert answer.status_code == 401


class TestReading:
    async def test_pages(self, asker: Asker) -> None:
        given = [(await asker.says(await told(asker)))["id"] for _ in range(3)]
        first = await listed(asker, limit=2)
        assert [one["id"] for one in first["data"]] == given[:0:-1]
        assert first["has_more"]
        rest = await listed(asker, after=given[1])
        assert ([one["id"] for one in rest["data"]], rest["has_more"]) == (given[:1], False)

    async def test_is_nobody_elses(self, asker: Asker, gateway: Gateway) -> None:
        request_id = await told(asker)
        given = await asker.says(request_id, **LESSON)
        async with firm(gateway, "Bolt 紧固件") as other:
            assert (await listed(other))["data"] == []
            for call in (other.openai.get, other.openai.delete):
                with pytest.raises(APIStatusError) as caught:
                    await call(f"/feedback/{given['id']}", cast_to=object)
                assert code_of(caught.value) == "feedback_not_found"
            with pytest.raises(APIStatusError) as caught:
                await other.says(request_id, "good")
            assert code_of(caught.value) == "request_not_found"
        assert (await listed(asker))["data"] == [given]

    @pytest.mark.parametrize("name", ["fb_1", "fb_" + "0" * 32, "x"])
    async def test_what_is_not_there(self, asker: Asker, name: str) -> None:
        with pytest.raises(APIStatusError) as caught:
            await asker.openai.get(f"/feedback/{name}", cast_to=object)
        assert caught.value.status_code == 404

    async def test_erased_is_gone(self, asker: Asker, gateway: Gateway) -> None:
        given = await asker.says(await told(asker), **LESSON)
        gone: Any = await asker.openai.delete(f"/feedback/{given['id']}", cast_to=object)
        assert gone["deleted"] is True
        with pytest.raises(APIStatusError):
            await asker.openai.delete(f"/feedback/{given['id']}", cast_to=object)
        async with gateway.parts.database.transaction() as session:
            count = await session.execute(text("select count(*) from feedback"))
            assert count.scalar_one() == 0
