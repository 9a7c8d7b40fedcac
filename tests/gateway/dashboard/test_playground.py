"""The playground: quote before a call, the billed call, and code samples."""

import json
from typing import Any

import httpx
import pytest

from gateway.access.api_keys import revoke_key
from gateway.dashboard.pages.playground.code import code_samples
from gateway.dashboard.pages.playground.form import (
    PlaygroundInputInvalid,
    chat_request,
    prediction_request,
)
from gateway.identity.audit_log import list_account_entries
from gateway.identity.roles import Role
from gateway.upstream.declared_inputs import DeclaredInput
from models.grounding.answer import Grounding
from tests.gateway.dashboard.chat_form import chat, key_of
from tests.support.builders import CATALOG, INDUSTRIAL, SPECIALIST
from tests.support.dashboard.firm import Firm
from tests.support.dashboard.looking import looker, words
from tests.support.fakes.upstream import FakeUpstream

PAGE = "/dashboard/playground"
INPUTS = [
    {"name": "type", "datatype": "BYTES", "values": ["L", "M", "H"]},
    {"name": "torque", "datatype": "FP32", "unit": "N·m", "minimum": 0, "maximum": 500},
    {"name": "wave", "datatype": "FP32", "length": [2, 4]},
    {"name": "note", "datatype": "BYTES", "optional": True},
]
ROW = {"input.type": "L", "input.torque": "65.5", "input.wave": "1, 2 3", "input.note": ""}
FIELDS = tuple(DeclaredInput(**{**one, "length": None}) for one in INPUTS)  # type: ignore[arg-type]


@pytest.fixture
def firm(office: Firm) -> Firm:
    """An account before its first call."""
    return office


async def quoted(firm: Firm, **fields: Any) -> httpx.Response:
    headers = {"hx-request": "true", "x-csrf-token": firm.owner.csrf}
    return await firm.owner.http.post(f"{PAGE}/quote", data=fields, headers=headers)


class TestReasoningChoice:
    """Only a model that can reason has the choice, which is off unless chosen."""

    @staticmethod
    def body(**fields: str) -> dict[str, Any]:
        model = CATALOG.models[INDUSTRIAL]
        given = {"prompt": "a", "max_tokens": "9", **fields}
        return dict(chat_request(model, given, ()).body)

    @pytest.mark.parametrize("fields", [{}, {"reasoning_effort": "none"}])
    def test_reasoning_is_not_requested_by_default(self, fields: dict[str, str]) -> None:
        assert "reasoning_effort" not in self.body(**fields)

    def test_chosen_effort_is_a_part_of_the_request(self) -> None:
        assert self.body(reasoning_effort="medium")["reasoning_effort"] == "medium"

    async def test_model_that_cannot_reason_has_no_choice(self, firm: Firm) -> None:
        assert "reasoning_effort" not in await firm.owner.page(PAGE)


class TestVectorStoreChoice:
    async def test_chosen_store_is_searched(self, firm: Firm, upstream: FakeUpstream) -> None:
        made = await firm.gateway.http.post("/v1/vector_stores", json={"name": "Line 3 <manual>"})
        assert "Line 3 &lt;manual&gt;" in await firm.owner.page(PAGE)
        upstream.says = "I do not know."
        fields = chat(firm, vector_store=made.json()["id"])
        answer = await firm.owner.send(f"{PAGE}/call", **fields)
        assert '"grounding":"not_found"' in answer.text

    async def test_account_without_a_store_has_no_choice(self, firm: Firm) -> None:
        assert 'name="vector_store"' not in await firm.owner.page(PAGE)

    async def test_page_has_the_texts_of_each_grounding(self, firm: Firm) -> None:
        page = await firm.owner.page(PAGE)
        for one in Grounding:
            assert f'data-{one.value.replace("_", "-")}="' in page


class TestPlaygroundPage:
    async def test_chat_form_is_shown_with_the_key(self, firm: Firm) -> None:
        page = await firm.owner.page(PAGE)
        assert "Your message" in words(page)
        assert key_of(firm) in page

    async def test_specialist_form_has_the_declared_inputs(
        self, firm: Firm, upstream: FakeUpstream
    ) -> None:
        upstream.inputs[SPECIALIST] = INPUTS
        page = await firm.owner.page(f"{PAGE}?model={SPECIALIST}")
        said = words(page)
        assert "torque (N·m)" in said
        assert "2 to 4 numbers" in said
        assert '<option value="M">M</option>' in page

    async def test_account_without_a_key_is_asked_to_create_a_key(self, firm: Firm) -> None:
        gateway = firm.gateway
        async with gateway.parts.database.transaction() as session:
            place = session, firm.clock, gateway.account.id
            await revoke_key(*place, gateway.key.row.id)
        assert "API key required" in words(await firm.owner.page(PAGE))

    async def test_developer_can_call_but_viewer_and_finance_cannot(self, firm: Firm) -> None:
        gateway = firm.gateway
        for role, status in ((Role.VIEWER, 403), (Role.FINANCE, 403), (Role.DEVELOPER, 200)):
            async with looker(gateway.url, gateway.parts, gateway.account.id, role) as one:
                await one.page(PAGE, status)
                answer = await one.send(f"{PAGE}/call", **chat(firm))
                assert answer.status_code == status


class TestPlaygroundQuote:
    async def test_quote_equals_the_api_quote(self, firm: Firm) -> None:
        messages = [{"role": "user", "content": "one two"}]
        body = {"model": INDUSTRIAL, "messages": messages, "max_tokens": 5, "stream": True}
        quote = (await firm.gateway.http.post("/v1/quote", json=body)).json()
        said = words((await quoted(firm, **chat(firm))).text)
        assert f"Maximum cost CN¥{quote['max_cost'].rstrip('0')}" in said
        assert "from openai import OpenAI" in said
        assert "curl -N" in said

    async def test_missing_or_invalid_input_is_named(
        self, firm: Firm, upstream: FakeUpstream
    ) -> None:
        upstream.inputs[SPECIALIST] = INPUTS
        for fields, said in (
            (chat(firm, prompt=" "), "Enter a message."),
            (chat(firm, max_tokens="x"), "Enter a whole number"),
            ({"model": SPECIALIST, "key": key_of(firm), **ROW, "input.torque": "x"}, "torque:"),
        ):
            answer = await quoted(firm, **fields)
            assert (answer.status_code, said in answer.text) == (422, True)

    async def test_key_of_another_account_or_unknown_model_returns_404(self, firm: Firm) -> None:
        headers = {"hx-request": "true", "x-csrf-token": firm.stranger.csrf}
        for place in ("quote", "call"):
            answer = await firm.stranger.http.post(
                f"{PAGE}/{place}", data=chat(firm), headers=headers
            )
            assert answer.status_code == 404
        assert (await quoted(firm, **chat(firm, model="none"))).status_code == 404


class TestPlaygroundCall:
    async def test_streamed_call_is_metered_and_billed_like_an_api_call(self, firm: Firm) -> None:
        await firm.gateway.chat("an earlier call")
        before = (await firm.gateway.http.get("/v1/usage")).json()["data"][0]
        turns = ["hello", "hello back"]
        answer = await firm.owner.send(f"{PAGE}/call", **chat(firm, turn=turns))
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert "frame-ancestors" in answer.headers["content-security-policy"]
        chunks = [
            json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {")
        ]
        row = (await firm.gateway.http.get("/v1/usage")).json()["data"][0]
        assert row["request_id"] == answer.headers["x-request-id"] != before["request_id"]
        assert (row["settlement"], row["key_id"]) == ("complete", key_of(firm))
        assert row["tags"] == {"source": "playground"}
        assert float(row["cost"]) > 0
        assert chunks[-1]["x_maas_cost"] == row["cost"]
        gateway = firm.gateway
        async with gateway.parts.database.transaction() as session:
            entry, *_ = await list_account_entries(session, gateway.account.id)
        assert (entry.action, entry.subject) == ("playground.called", row["request_id"])

    async def test_earlier_turns_are_sent_with_the_message(
        self, firm: Firm, upstream: FakeUpstream
    ) -> None:
        await firm.owner.send(f"{PAGE}/call", **chat(firm, turn=["a", "b"], system="Be brief."))
        said = [(one["role"], one["content"]) for one in upstream.received[-1]["messages"]]
        assert said == [
            ("system", "Be brief."),
            ("user", "a"),
            ("assistant", "b"),
            ("user", "one two"),
        ]

    async def test_specialist_call_is_metered_by_row(
        self, firm: Firm, upstream: FakeUpstream
    ) -> None:
        upstream.inputs[SPECIALIST] = INPUTS[:2]
        fields = {"model": SPECIALIST, "key": key_of(firm), **ROW}
        answer = await firm.owner.send(f"{PAGE}/call", **fields)
        assert answer.status_code == 200
        row = (await firm.gateway.http.get("/v1/usage")).json()["data"][0]
        assert (row["operation"], row["rows"]) == ("predictions", 1)

    async def test_call_without_csrf_token_is_rejected(self, firm: Firm) -> None:
        answer = await firm.owner.http.post(f"{PAGE}/call", data=chat(firm))
        assert answer.status_code == 403


class TestPlaygroundRequests:
    def test_row_has_the_declared_inputs_in_their_types(self) -> None:
        fields = (*FIELDS[:2], DeclaredInput("wave", "FP32", length=(2, 4)), FIELDS[3])
        wish = prediction_request(CATALOG.models[SPECIALIST], fields, ROW)
        row = {"type": "L", "torque": 65.5, "wave": [1, 2, 3]}
        assert wish.body == {"model": SPECIALIST, "instances": [row]}

    def test_boolean_input_is_parsed(self) -> None:
        wish = prediction_request(
            CATALOG.models[SPECIALIST], [DeclaredInput("on", "BOOL")], {"input.on": "true"}
        )
        assert wish.body["instances"] == [{"on": True}]

    @pytest.mark.parametrize("text", ["", "x", "nan", "inf", "1e999"])
    def test_non_finite_number_is_rejected(self, text: str) -> None:
        with pytest.raises(PlaygroundInputInvalid) as raised:
            prediction_request(
                CATALOG.models[SPECIALIST], [DeclaredInput("t", "FP32")], {"input.t": text}
            )
        assert raised.value.param == "input.t"

    def test_code_samples_contain_the_request_without_a_secret(self) -> None:
        fields = {"prompt": "it's 泵", "max_tokens": "5", "temperature": "0.5"}
        wish = chat_request(CATALOG.models[INDUSTRIAL], fields, [])
        code = code_samples(wish, "http://maas")
        assert list(code) == ["Python", "curl", "JavaScript"]
        compile(code["Python"], "code", "exec")
        assert "temperature=0.5" in code["Python"]
        assert all("泵" in text and "maas_" not in text for text in code.values())
        row = prediction_request(CATALOG.models[SPECIALIST], FIELDS[:2], ROW)
        compile(code_samples(row, "http://maas")["Python"], "code", "exec")
        assert "/v1/predictions" in code_samples(row, "http://maas")["curl"]


class TestUnservedModel:
    async def test_unserved_model_is_not_offered_on_any_page(
        self, firm: Firm, upstream: FakeUpstream
    ) -> None:
        upstream.models = {one: True for one in CATALOG.models if one != SPECIALIST}
        await firm.gateway.parts.availability.refresh()
        assert f'value="{SPECIALIST}"' not in await firm.owner.page(PAGE)
        assert SPECIALIST not in words(await firm.owner.page("/dashboard/plan"))
        refused = await quoted(firm, model=SPECIALIST, key=key_of(firm), **ROW)
        assert refused.status_code == 404
