"""Usage rows of rejected calls contain message, `param`, requested model and a suggested fix, and
no other content of the request."""

import json
from typing import Any

import pytest
from sqlalchemy import text

from billing.metering.error_fixes import FIXES_BY_ERROR_CODE, USAGE_ROW_FIXES, find_suggested_fix
from gateway.inference.endpoints.table import ENDPOINTS
from gateway.inference.usage.error_report import _redact_message, known_words
from gateway.wire import nested
from tests.support.builders import CATALOG, CHAT, EMBEDDING, SPECIALIST, Gateway

CANARY = "Kanarienvogel7391"
TICKED = f"a` {CANARY} `b"
HI = [{"role": "user", "content": "hi"}]
CHATS = "/v1/chat/completions"

# Each is refused, with the canary in what a message might quote.
REFUSED: list[tuple[str, Any]] = [
    (CHATS, {"model": CHAT, "messages": [{"role": CANARY, "content": CANARY}]}),
    (CHATS, {"model": CHAT, "messages": HI, "temperature": CANARY}),
    (CHATS, {"model": CHAT, "messages": HI, "service_tier": CANARY}),
    (CHATS, {"model": CHAT, "messages": HI, "priority": CANARY}),
    (CHATS, {"model": CHAT, "messages": HI, CANARY: {"a": 1}, "n": 0}),
    (CHATS, {"model": CHAT, "messages": [{"role": "user", "content": f"too-long {CANARY}"}]}),
    (CHATS, {"model": CHAT, "messages": [{"role": "user", "content": f"unknown-fault {CANARY}"}]}),
    (CHATS, {"model": CHAT, "messages": [{"role": "user", "content": f"fault {CANARY}"}]}),
    (
        CHATS,
        {
            "model": CHAT,
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {
                            "type": "image_url",
                            CANARY: "https://x",
                            "image_url": {"url": f"https://{CANARY}.example"},
                        }
                    ],
                }
            ],
        },
    ),
    (
        CHATS,
        {
            "model": CHAT,
            "messages": HI,
            "tools": [{"type": "file_search", "vector_store_ids": [f"vs_{CANARY}"], CANARY: 1}],
        },
    ),
    (CHATS, {"model": EMBEDDING, "messages": [{"role": "user", "content": CANARY}]}),
    ("/v1/completions", {"model": CHAT, "prompt": CANARY, "best_of": CANARY}),
    ("/v1/embeddings", {"model": EMBEDDING, "input": CANARY, "encoding_format": CANARY}),
    ("/v1/predictions", {"model": SPECIALIST, "instances": [{CANARY: 1}, {"torque": CANARY}]}),
    ("/v1/predictions", {"model": SPECIALIST, "instances": [{TICKED: 1}, {"torque": 1}]}),
    ("/v1/predictions", {"model": SPECIALIST, "instances": [{"a": 1}], "units": {TICKED: CANARY}}),
    ("/v1/predictions", {"model": "auto", "instances": [{CANARY: 1, TICKED: 2}]}),
    ("/v1/predictions", {"model": SPECIALIST, "instances": [{"torque": 1.0}] * 13}),
    (
        f"/v2/models/{SPECIALIST}/infer",
        {
            "inputs": [
                {"name": TICKED, "shape": [1], "datatype": CANARY, "data": [CANARY]},
                {"name": CANARY, "shape": [2], "datatype": "FP32", "data": [1, 2]},
            ]
        },
    ),
    (CHATS, [CANARY]),
    (f"/v1/{CANARY}", {"model": CHAT, "input": CANARY}),
]


async def everything(gateway: Gateway) -> str:
    """All rows of all tables as text, for the search for stored content."""
    async with gateway.parts.database.transaction() as session:
        names = await session.scalars(
            text("select tablename from pg_tables where schemaname = 'public'")
        )
        found = [await session.scalars(text(f'select t::text from "{name}" t')) for name in names]
        return "\n".join(row for rows in found for row in rows)


@pytest.mark.parametrize("number", range(len(REFUSED)))
async def test_content_of_rejected_call_is_stored_in_no_table(
    gateway: Gateway, number: int
) -> None:
    path, body = REFUSED[number]
    answer = await gateway.http.post(path, json=body)
    assert answer.status_code >= 400, answer.text
    row = await gateway.row()
    assert row["error_code"]
    assert row["error_message"]
    assert CANARY not in await everything(gateway)


class TestErrorFields:
    async def test_unknown_model_name_is_stored_as_requested(self, gateway: Gateway) -> None:
        await gateway.chat("hi", model="gpt-4o")
        row = await gateway.row()
        assert row["requested_model"] == "gpt-4o"
        assert row["model"] is None
        assert row["error_param"] == "model"
        assert row["error_message"].startswith("The model 'gpt-4o' does not exist.")
        assert row["suggested_fix"] == FIXES_BY_ERROR_CODE["model_not_found"].en

    async def test_invalid_request_field_is_named_in_row(self, gateway: Gateway) -> None:
        await gateway.chat("hi", temperature=3)
        row = await gateway.row()
        assert row["error_param"] == "temperature"
        assert "`temperature`" in row["error_message"]

    async def test_missing_catalog_column_is_named_in_row(self, gateway: Gateway) -> None:
        body = {"model": SPECIALIST, "instances": [{"torque": 1.0}, {"torque": None}]}
        await gateway.http.post("/v1/predictions", json=body)
        row = await gateway.row()
        assert row["error_param"] == "instances[1].torque"
        assert row["error_message"] == "`instances[1].torque` is missing."

    @pytest.mark.parametrize(
        ("path", "fields", "param", "code"),
        [
            (CHATS, {"messages": HI, "session_id": "x"}, "session_id", "unknown_parameter"),
            (CHATS, {"messages": HI, CANARY: "x"}, "…", "unknown_parameter"),
            (
                CHATS,
                {"messages": [{**HI[0], "tool_call_ids": 1}]},
                "messages[0].…",
                "unknown_parameter",
            ),
            (
                CHATS,
                {"messages": [{**HI[0], "function_call": {"name": "x"}, "parameters": 1}]},
                "messages[0].parameters",
                "unknown_parameter",
            ),
            (
                CHATS,
                {"messages": HI, "reasoning_effort": "high"},
                "reasoning_effort",
                "unsupported_parameter",
            ),
            ("/v1/completions", {"prompt": "hi", "messages": HI}, "messages", "unknown_parameter"),
        ],
    )
    async def test_rejected_parameter_is_named_only_if_documented(
        self, gateway: Gateway, path: str, fields: dict[str, Any], param: str, code: str
    ) -> None:
        await gateway.http.post(path, json={"model": CHAT, **fields})
        row = await gateway.row()
        assert (row["error_code"], row["error_param"]) == (code, param)
        assert f"`{param}`" in row["error_message"]
        assert row["suggested_fix"] == FIXES_BY_ERROR_CODE[code].en

    def test_all_documented_fields_are_known_words(self) -> None:
        words = known_words(CATALOG)
        assert words >= {name for one in ENDPOINTS.values() for name in one.parameters}
        assert words >= {name for fields in nested.PART_FIELDS.values() for name in fields}
        assert words >= nested.MESSAGE_FIELDS

    async def test_successful_call_has_no_error_fields(self, gateway: Gateway) -> None:
        await gateway.chat("hi")
        row = await gateway.row()
        names = ("error_message", "error_param", "requested_model", "suggested_fix")
        assert [row[name] for name in names] == [None] * 4

    @pytest.mark.parametrize("model", ["m\0n" * 200, "模" * 300])
    async def test_long_or_unprintable_model_name_is_cut_to_100_characters(
        self, gateway: Gateway, model: str
    ) -> None:
        await gateway.chat("hi", model=model)
        stored = (await gateway.row())["requested_model"]
        assert len(stored) == 100
        assert stored.isprintable()

    async def test_unauthenticated_call_stores_no_error_details(self, gateway: Gateway) -> None:
        headers = {"authorization": "Bearer maas_nobody"}
        body = {"model": CANARY, "messages": HI}
        await gateway.http.post(CHATS, json=body, headers=headers)
        row = await gateway.row()
        assert row["error_message"] is row["requested_model"] is row["error_param"] is None
        assert CANARY not in await everything(gateway)

    async def test_usage_api_returns_error_fields(self, gateway: Gateway) -> None:
        await gateway.chat("hi", model="gpt-4o")
        await gateway.row()
        (row,) = (await gateway.http.get("/v1/usage")).json()["data"]
        assert (row["requested_model"], row["error_param"]) == ("gpt-4o", "model")


class TestMessageRedaction:
    words = known_words(CATALOG)

    @pytest.mark.parametrize(
        ("message", "kept"),
        [
            ("The key's budget, the account's credit.", "The key's budget, the account's credit."),
            ("`n`: expected `int`, got `str`.", "`n`: expected `int`, got `str`."),
            ("invalid enum value 'secret'.", "invalid enum value '…'."),
            (r"The model 'a\'b' is x.", "The model '…' is x."),
            ('The tag "it\'s" is x.', 'The tag "…" is x.'),
        ],
    )
    def test_only_unknown_quoted_words_are_redacted(self, message: str, kept: str) -> None:
        assert _redact_message(message, self.words, has_ambiguous_backticks=False) == kept


class TestSuggestedFixes:
    def test_each_fix_is_in_english_and_chinese(self) -> None:
        for code, fix in {**FIXES_BY_ERROR_CODE, **USAGE_ROW_FIXES}.items():
            assert fix.en, code
            assert any("\u4e00" <= sign <= "\u9fff" for sign in fix.text("zh")), code

    def test_code_without_fix_gets_fix_of_its_status(self) -> None:
        assert (
            find_suggested_fix("out_of_range", 400)
            is not find_suggested_fix("out_of_range", 502)
            is not None
        )
        assert find_suggested_fix(None, 200) is None


def test_every_rejected_request_contains_the_canary() -> None:
    assert [one for one in REFUSED if CANARY not in json.dumps(one)] == [REFUSED[17]]
