"""Feedback through the official client: creation, replacement, isolation, deletion."""

import asyncio
from typing import Any

import pytest
from openai import APIStatusError
from sqlalchemy import text

from tests.support.builders import SPECIALIST, Gateway
from tests.support.gateway.askers import ASKED, LESSON, Asker, firm
from tests.support.gateway.customers import code_of
from tests.support.gateway.errors import error_of


class TestFeedbackCreation:
    async def test_correction_with_consent_is_stored(self, asker: Asker) -> None:
        request_id = await asker.told()
        given = await asker.says(request_id, comment="It is the seal.", **LESSON)
        assert given["request_id"] == request_id
        assert given["model"] == asker.model
        assert (given["messages"], given["correction"]) == (ASKED, "Leaking")
        assert given["consent"] is True
        got = await asker.openai.get(f"/feedback/{given['id']}", cast_to=object)
        assert got == given

    async def test_dialogue_without_consent_is_not_stored(self, asker: Asker) -> None:
        said = {**LESSON, "consent": False}
        given = await asker.says(await asker.told(), comment="No.", **said)
        assert (given["comment"], given["consent"]) == ("No.", False)
        assert given["messages"] is given["correction"] is None

    async def test_good_answer_with_consent_is_stored(self, asker: Asker) -> None:
        said = {"messages": ASKED, "answer": "Leaking", "consent": True}
        given = await asker.says(await asker.told(), "good", **said)
        assert (given["answer"], given["correction"]) == ("Leaking", None)

    async def test_second_feedback_replaces_the_first(self, asker: Asker) -> None:
        request_id = await asker.told()
        first = await asker.says(request_id, **LESSON)
        # Without consent, so the dialogue stored before is deleted.
        second = await asker.says(request_id, "good")
        assert second["id"] == first["id"]
        assert (second["rating"], second["messages"]) == ("good", None)
        assert (await asker.listed())["data"] == [second]

    async def test_concurrent_feedback_for_a_request_is_stored_once(self, asker: Asker) -> None:
        request_id = await asker.told()
        given = await asyncio.gather(*(asker.says(request_id, **LESSON) for _ in range(5)))
        assert len({one["id"] for one in given}) == 1
        assert len((await asker.listed())["data"]) == 1

    async def test_specialist_call_is_rated_without_a_dialogue(self, gateway: Gateway) -> None:
        body = {"model": SPECIALIST, "instances": [{"torque": 1.0}]}
        answer = await gateway.http.post("/v1/predictions", json=body)
        request_id = answer.headers["x-request-id"]
        said = {"request_id": request_id, "rating": "bad"}
        assert (await gateway.http.post("/v1/feedback", json=said)).status_code == 200
        refused = await gateway.http.post("/v1/feedback", json={**said, **LESSON})
        assert (refused.status_code, error_of(refused)["param"]) == (400, "messages")

    async def test_feedback_is_counted_in_metrics(self, asker: Asker, gateway: Gateway) -> None:
        await asker.says(await asker.told(), "good")
        await asker.says(await asker.told(), "bad")
        text = (await gateway.http.get("/metrics")).text
        for rating in ("good", "bad"):
            assert f'maas_feedback_total{{model="{asker.model}",rating="{rating}"}} 1.0' in text


class TestFeedbackAccess:
    async def test_feedback_is_paged_newest_first(self, asker: Asker) -> None:
        given = [(await asker.says(await asker.told()))["id"] for _ in range(3)]
        first = await asker.listed(limit=2)
        assert [one["id"] for one in first["data"]] == given[:0:-1]
        assert first["has_more"]
        rest = await asker.listed(after=given[1])
        assert ([one["id"] for one in rest["data"]], rest["has_more"]) == (given[:1], False)

    async def test_feedback_of_another_account_is_not_found(
        self, asker: Asker, gateway: Gateway
    ) -> None:
        request_id = await asker.told()
        given = await asker.says(request_id, **LESSON)
        async with firm(gateway, "Bolt 紧固件") as other:
            assert (await other.listed())["data"] == []
            for call in (other.openai.get, other.openai.delete):
                with pytest.raises(APIStatusError) as caught:
                    await call(f"/feedback/{given['id']}", cast_to=object)
                assert code_of(caught.value) == "feedback_not_found"
            with pytest.raises(APIStatusError) as caught:
                await other.says(request_id, "good")
            assert code_of(caught.value) == "request_not_found"
        assert (await asker.listed())["data"] == [given]

    async def test_deleted_feedback_is_removed_from_the_database(
        self, asker: Asker, gateway: Gateway
    ) -> None:
        given = await asker.says(await asker.told(), **LESSON)
        gone: Any = await asker.openai.delete(f"/feedback/{given['id']}", cast_to=object)
        assert gone["deleted"] is True
        with pytest.raises(APIStatusError):
            await asker.openai.delete(f"/feedback/{given['id']}", cast_to=object)
        async with gateway.parts.database.transaction() as session:
            count = await session.execute(text("select count(*) from feedback"))
            assert count.scalar_one() == 0
