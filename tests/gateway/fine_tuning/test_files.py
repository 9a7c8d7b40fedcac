"""Training files through the official client, and malformed uploads that no client sends."""

from typing import Any

import pytest
from openai import APIStatusError

from gateway.registry import files
from tests.support.gateway.customers import Customer, another
from tests.support.gateway.errors import error_of

FORM = {"content-type": "multipart/form-data; boundary=x"}


class TestTrainingFiles:
    async def test_file_is_created_listed_read_and_deleted(self, customer: Customer) -> None:
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

    async def test_file_of_another_account_is_not_found(self, customer: Customer) -> None:
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
            ({"files": {"file": ("a", b"{}")}, "data": {"purpose": "assistants"}}, "purpose"),
            ({"files": {"file": ("a", b"  \n")}, "data": {"purpose": "fine-tune"}}, "file"),
            ({"files": {"other": ("a", b"{}")}, "data": {"purpose": "fine-tune"}}, "file"),
            ({"content": b"--x\r\nrubbish", "headers": FORM}, None),
            ({"content": b"", "headers": FORM}, None),
            ({"json": {"purpose": "fine-tune"}}, None),
        ],
    )
    async def test_malformed_upload_is_rejected_with_400(
        self, customer: Customer, sent: dict[str, Any], param: str | None
    ) -> None:
        answer = await customer.gateway.http.post("/v1/files", **sent)
        assert answer.status_code == 400
        assert param is None or error_of(answer)["param"] == param

    async def test_directories_are_removed_from_the_file_name(self, customer: Customer) -> None:
        kept = await customer.openai.files.create(
            file=("../../etc\\passwd", b"{}"), purpose="fine-tune"
        )
        assert kept.filename == "passwd"

    async def test_file_over_size_limit_is_rejected(
        self, customer: Customer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(files, "MAX_FILE_BYTES", 100)
        with pytest.raises(APIStatusError) as caught:
            await customer.openai.files.create(file=("a", b"x" * 101), purpose="fine-tune")
        assert caught.value.status_code == 400

    async def test_upload_over_file_count_limit_is_rejected_until_a_deletion(
        self, customer: Customer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(files, "MAX_FILES", 1)
        file = await customer.sends()
        with pytest.raises(APIStatusError) as caught:
            await customer.sends()
        assert "Delete files first" in str(caught.value)
        await customer.openai.files.delete(file)
        await customer.sends()
