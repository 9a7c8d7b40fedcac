"""Training files, with the official client and with what no client sends."""

from typing import Any

import pytest
from openai import APIStatusError

from gateway.registry import files
from tests.support.gateway.customers import Customer, another
from tests.support.gateway.errors import error_of

FORM = {"content-type": "multipart/form-data; boundary=x"}


class TestFiles:
    async def test_kept_listed_read_and_erased(self, customer: Customer) -> None:
        content = '{"tag": "送风温度", "concept": "x"}\n'.encode()
        kept = await customer.openai.files.create(file=("标签.jsonl", content), purpose="fine-tune")
        assert (kept.filename, kept.bytes, kept.purpose) == (
            "标签.jsonl",
            len(content),
            "fine-tune",
        )
        second = await customer.sends()
        listed = await customer.openai.files.list(limit=1)
        assert [file.id for file in listed.data] == [second]
        assert [file.id async for file in listed] == [second, kept.id]
        assert (await customer.openai.files.retrieve(kept.id)).bytes == len(content)
        assert (await customer.openai.files.content(kept.id)).content == content
        assert (await customer.openai.files.delete(kept.id)).deleted
        for call in (
            customer.openai.files.retrieve,
            customer.openai.files.content,
            customer.openai.files.delete,
        ):
            with pytest.raises(APIStatusError) as caught:
                await call(kept.id)
            assert caught.value.status_code == 404

    async def test_of_another_firm_does_not_exist(self, customer: Customer) -> None:
        file = await customer.sends()
        async with another(customer.gateway) as openai:
            assert (await openai.files.list()).data == []
            for call in (openai.files.retrieve, openai.files.content, openai.files.delete):
                with pytest.raises(APIStatusError) as caught:
                    await call(file)
                assert caught.value.status_code == 404
        assert (await customer.openai.files.retrieve(file)).id == file

    @pytest.mark.parametrize(
        ("sent", "param"),
        [
            ({"files": {"file": ("a", b"{}")}}, "purpose"),
            ({"files": {"file": ("a", b"{}")}, "data": {"purpose": "batch"}}, "purpose"),
            ({"files": {"file": ("a", b"  \n")}, "data": {"purpose": "fine-tune"}}, "file"),
            ({"files": {"other": ("a", b"{}")}, "data": {"purpose": "fine-tune"}}, "file"),
            ({"content": b"--x\r\nrubbish", "headers": FORM}, None),
            ({"content": b"", "headers": FORM}, None),
            ({"json": {"purpose": "fine-tune"}}, None),
        ],
    )
    async def test_what_is_no_file(
        self, customer: Customer, sent: dict[str, Any], param: str | None
    ) -> None:
        answer = await customer.gateway.http.post("/v1/files", **sent)
        assert answer.status_code == 400
        assert param is None or error_of(answer)["param"] == param

    async def test_a_name_is_a_name_only(self, customer: Customer) -> None:
        kept = await customer.openai.files.create(
            file=("../../etc\\passwd", b"{}"), purpose="fine-tune"
        )
        assert kept.filename == "passwd"

    async def test_too_large(self, customer: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(files, "MAX_FILE_BYTES", 100)
        with pytest.raises(APIStatusError) as caught:
            await customer.openai.files.create(file=("a", b"x" * 101), purpose="fine-tune")
        assert caught.value.status_code == 400

    async def test_too_many(self, customer: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(files, "MAX_FILES", 1)
        file = await customer.sends()
        with pytest.raises(APIStatusError) as caught:
            await customer.sends()
        assert "Delete files first" in str(caught.value)
        await customer.openai.files.delete(file)
        await customer.sends()
