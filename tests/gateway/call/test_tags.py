"""Tags of calls: stored in the usage row, or rejected if malformed."""

import pytest

from gateway.call.errors import ParameterInvalid
from gateway.call.tags import parse_tags
from tests.support.builders import Gateway


class TestTagsHeader:
    @pytest.mark.parametrize(
        ("said", "tags"),
        [
            (b"order=A-17", {"order": "A-17"}),
            (b" order=A-17 , machine=M3,", {"order": "A-17", "machine": "M3"}),
            (b"part=%E9%BD%BF%E8%BD%AE", {"part": "齿轮"}),
            (b"note=a=b", {"note": "a=b"}),
            (b",", None),
            (b"", None),
        ],
    )
    def test_valid_tags_are_parsed(self, said: bytes, tags: dict[str, str] | None) -> None:
        assert parse_tags({b"x-maas-tags": said}) == tags

    @pytest.mark.parametrize(
        "said",
        [
            b"order",
            b"Order=1",
            b"=1",
            b"order=",
            b"order=%FF",
            b"order=a%0Ab",
            b"order=1,order=2",
            b"variant=mine",
            b"order=" + b"x" * 129,
            b"a=" + b"x" * 3000,
            b",".join(b"t%d=1" % number for number in range(9)),
        ],
    )
    def test_malformed_tags_are_rejected(self, said: bytes) -> None:
        with pytest.raises(ParameterInvalid) as refused:
            parse_tags({b"x-maas-tags": said})
        assert refused.value.param == "X-Maas-Tags"

    def test_missing_header_gives_no_tags(self) -> None:
        assert parse_tags({}) is None


class TestTaggedCalls:
    async def test_row_has_tags_and_plan_version(self, gateway: Gateway) -> None:
        headers = {"X-Maas-Tags": "order=A-17,machine=M%203"}
        body = {"model": "nonesuch", "messages": []}
        await gateway.http.post("/v1/chat/completions", json=body, headers=headers)
        gateway.http.headers.update(headers)
        assert (await gateway.chat("hello")).status_code == 200
        row, refused = await gateway.rows(2)
        assert row["tags"] == {"order": "A-17", "machine": "M 3"}
        assert len(row["plan_version"]) == 32
        assert refused["tags"] == {}
        assert (await gateway.reconciled()).differences == ()

    async def test_malformed_tags_return_400(self, gateway: Gateway) -> None:
        gateway.http.headers["X-Maas-Tags"] = "order"
        answer = await gateway.chat("hello")
        assert answer.status_code == 400
        assert answer.json()["error"]["param"] == "X-Maas-Tags"
