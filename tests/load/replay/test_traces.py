"""Traces: formats are detected by header, arrivals are in order, sampling keeps the rates."""

import gzip
import math
import random
import statistics
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from load.replay.arrivals import Arrival, TraceMissing
from load.replay.servegen import Window, read_windows, sample_interval, sample_servegen
from load.replay.traces import read_trace

AZURE = """TIMESTAMP,ContextTokens,GeneratedTokens
2023-11-16 18:15:46.6805900,374,44
2023-11-16 18:15:50.9951690,396,109
2023-11-16 18:15:50.5000000,12,0
2023-11-16 18:15:48.0000000,879,55
"""
BURSTGPT = """Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type
5,ChatGPT,472,18,490,Conversation log
45.5,GPT-4,1087,230,1317,Conversation log
118,ChatGPT,417,0,417,Conversation log
"""


class TestTraceFiles:
    def test_azure_trace_is_read(self, tmp_path: Path) -> None:
        file = tmp_path / "a.csv"
        file.write_text(AZURE)
        result = read_trace(file)
        assert [(one.input_tokens, one.output_tokens) for one in result] == [
            (374, 44),
            (879, 55),
            (396, 109),
        ]
        assert [one.at_s for one in result] == pytest.approx([0, 1.31941, 4.314579], abs=1e-5)

    def test_compressed_burstgpt_trace_is_read(self, tmp_path: Path) -> None:
        file = tmp_path / "b.csv.gz"
        file.write_bytes(gzip.compress(BURSTGPT.encode()))
        assert read_trace(file) == [Arrival(0, 472, 18), Arrival(40.5, 1087, 230)]

    def test_missing_or_unknown_trace_raises_trace_missing(self, tmp_path: Path) -> None:
        with pytest.raises(TraceMissing, match="no trace at"):
            read_trace(tmp_path / "c.csv")
        with pytest.raises(TraceMissing, match="no clients"):
            read_trace(tmp_path)
        file = tmp_path / "d.csv"
        for text in ("a,b\n1,2\n", "", AZURE.splitlines()[0]):
            file.write_text(text)
            with pytest.raises(TraceMissing):
                read_trace(file)


class TestServegenTraces:
    @given(st.floats(0.05, 50), st.floats(0.2, 3), st.sampled_from(["Gamma", "Weibull"]))
    def test_sampled_intervals_have_the_mean_of_the_rate(
        self, rate: float, cv: float, kind: str
    ) -> None:
        rng = random.Random(3)
        window = Window(0, rate, cv, kind)
        pauses = [sample_interval(window, rng) for _ in range(4000)]
        # Five standard errors, wide because of heavy tails.
        assert abs(statistics.fmean(pauses) * rate - 1) < 5 * cv / math.sqrt(4000) + 0.02

    def test_windows_without_calls_are_skipped(self) -> None:
        lines = ["0,0,0,,0,0", "600,0.5,1.2,Weibull,0.8,1.7", ""]
        assert read_windows(lines) == [Window(600, 0.5, 1.2, "Weibull")]

    def test_folder_is_sampled_reproducibly_by_seed(self, tmp_path: Path) -> None:
        (tmp_path / "chunk-0-trace.csv").write_text("0,1.0,1.0,Gamma,1,1\n600,0,0,,0,0\n")
        data = '{"0": {"input_tokens": "{10: 0.5, 20: 0.5}", "output_tokens": "{3: 1.0}"}}'
        (tmp_path / "chunk-0-dataset.json.gz").write_bytes(gzip.compress(data.encode()))
        result = sample_servegen(tmp_path, random.Random(1))
        assert 450 < len(result) < 750
        assert {one.input_tokens for one in result} == {10, 20}
        assert {one.output_tokens for one in result} == {3}
        assert max(one.at_s for one in result) < 600
        assert read_trace(tmp_path, 4) == read_trace(tmp_path, 4) != read_trace(tmp_path, 5)

    def test_client_without_token_lengths_makes_no_calls(self, tmp_path: Path) -> None:
        (tmp_path / "chunk-0-trace.csv").write_text("0,1.0,1.0,Gamma,1,1\n")
        data = '{"0": {"input_tokens": "{}", "output_tokens": "{}"}}'
        (tmp_path / "chunk-0-dataset.json").write_text(data)
        assert sample_servegen(tmp_path, random.Random(1)) == []
