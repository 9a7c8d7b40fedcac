"""PII scrubbing in Chinese, German and English, without false positives on factory identifiers."""

import csv
import gzip
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.fine_tuning.pii_scrubber import scrub_text, scrub_training_file

DATA = Path(__file__).parents[4] / "shared" / "data" / "maint_text"


def without(text: str) -> str:
    return scrub_text(text, Counter())


class TestPiiDetection:
    @pytest.mark.parametrize(
        ("text", "left"),
        [
            ("请联系王师傅 13812345678", "请联系<NAME>师傅 <PHONE>"),
            ("报修人：李娜，手机138 1234 5678", "报修人：<NAME>，手机<PHONE>"),
            ("致电 021-58881234 转 302", "致电 <PHONE> 转 302"),
            ("身份证11010519491231002X在册", "身份证<ID_NUMBER>在册"),
            ("供方 91110000600037341L", "供方 <COMPANY_ID>"),
            ("微信：wang_123456", "微信：<MESSENGER>"),
            ("邮箱wang.wei@acme.com.cn。", "邮箱<EMAIL>。"),
            ("Herrn Müller unter +49 30 901820", "Herrn <NAME> unter <PHONE>"),
            ("Tel. 030 901820 anrufen", "Tel. <PHONE> anrufen"),
            ("gemeldet von Jörg Weiß", "gemeldet von <NAME>"),
            ("Steuer-ID 36 574 261 809", "Steuer-ID <TAX_ID>"),
            ("IBAN DE89 3704 0044 0532 0130 00", "IBAN <IBAN>"),
            ("Dr. Smith said: call (415) 555-2671", "Dr. <NAME> said: call <PHONE>"),
            ("reported by Anna Berg, mail a.berg@x.io", "reported by <NAME>, mail <EMAIL>"),
            ("card 4111 1111 1111 1111", "card <CARD>"),
            ("key maas_no, sk-proj-" + "a1B2" * 10, "key maas_no, <API_KEY>"),
            ("account acct_" + "0a" * 16, "account <ACCOUNT>"),
            (
                "-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY----- x",
                "<PRIVATE_KEY> x",
            ),
        ],
    )
    def test_personal_data_is_replaced_in_three_languages(self, text: str, left: str) -> None:
        assert without(text) == left

    @pytest.mark.parametrize(
        "text",
        [
            "SN 13812345678",
            "资产编号：13812345678",
            "序列号 110105194912310021",
            "P/N 415-555-2671, order 4500123456",
            "bearing 6204-2RS C3, 6308-2Z/C3, NU 2210 ECP",
            "3RT2026-1BB40, 6ES7214-1AG40-0XB0",
            "tag AHU1_SupFan_Stat, =A1+B2-K3, 21-PT-1034A",
            "2024-03-18 12:30:45, 20240318123045, 1712345678901",
            "+24 VDC, +5 V, 0.5-1.2 bar, 10 x 20 x 30 mm",
            "10.20.30.40:502, 00:1A:2B:3C:4D:5E",
            "pump@2.5bar, M3@12.Nm",
            "加工 施工 电工 高工 检修工 班长主任",
            "task-" + "a1b2" * 12,
            "call lights (sds subject 33-27-00)",
            "4111 1111 1111 1112",
        ],
    )
    def test_factory_identifiers_are_kept(self, text: str) -> None:
        assert without(text) == text


class TestTrainingFileScrubbing:
    def test_each_message_of_each_line_is_scrubbed(self) -> None:
        line = {"messages": [{"role": "user", "content": "王女士 13812345678"}] * 2}
        content, counts = scrub_training_file(
            json.dumps(line).encode() + b"\n" + json.dumps(line).encode()
        )
        assert content.decode().count("<NAME>女士 <PHONE>") == 4
        assert counts == {"NAME": 4, "PHONE": 4}

    @pytest.mark.parametrize(
        "line", [b"{", b"\xff", b"[]", b'{"messages": 1}', b'{"messages": [1, {"content": null}]}']
    )
    def test_unreadable_line_is_kept_for_the_file_check(self, line: bytes) -> None:
        content, counts = scrub_training_file(line)
        assert content.replace(b" ", b"") == line.replace(b" ", b"")
        assert counts == {}


def work_orders() -> Iterator[str]:
    """Work orders of MaintNorm (two companies), of MaintIE and of an excavator."""
    for file in sorted((DATA / "maintnorm").glob("*.norm.gz")):
        for words in gzip.open(file, "rt", encoding="utf-8").read().split("\n\n"):
            yield " ".join(line.split("\t")[0] for line in words.splitlines())
    maintie = json.loads(gzip.open(DATA / "maintie" / "gold_release.json.gz").read())
    yield from (one["text"] for one in maintie)
    with gzip.open(DATA / "excavator_mwo" / "case_study_pdl.csv.gz", "rt") as rows:
        yield from map(" ".join, csv.reader(rows))


@pytest.mark.skipif(not DATA.is_dir(), reason="the sets of work orders are not here")
def test_public_work_orders_have_no_false_positives() -> None:
    counts = Counter[str]()
    texts = list(work_orders())
    for text in texts:
        scrub_text(text, counts)
    assert len(texts) > 14_000
    assert counts == {}
