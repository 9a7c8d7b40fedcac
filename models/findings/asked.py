"""Which figures of a calculation a question asks for, by the words for its outputs.

A calculation has several figures: of an overall equipment effectiveness also its three factors.
Words beside a number are readings (`flow 70 m³/h`), and no question.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from models.arguments.quantities import normalize
from models.findings.finding import Finding

_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "oee": r"\boee\b|overall (?:equipment )?effective|综合效率|综合设备效率|综合利用率",
        "availability": r"\bavailability\b|时间开动率|时间利用率|时间稼动率|可用率",
        "effectiveness": r"\bperformance\b|性能开动率|性能稼动率|性能率|表现性",
        "quality_ratio": r"\bquality (?:rate|ratio)\b|合格率|良品率|质量率",
        "basic_rating_time": r"\bhours?\b|小时",
        "basic_rating_life": r"\brevolutions?\b|百万转|多少转",
        "modified_rating_time": r"\b(?:modified|adjusted)\b|\blnmh?\b|修正",
        "cp": r"\bcp\b(?!k)|\bpotential\b",
        "cpk": r"\bcpk\b",
        "pp": r"\bpp\b(?!k)",
        "ppk": r"\bppk\b",
        "mean": r"\bmean\b|\baverage\b|平均值|均值",
        "new_flow": r"\bflow\b|\bdeliver|流量",
        "new_head": r"\bhead\b|扬程",
        "new_shaft_power": r"\bpower\b|\bkw\b|功率|耗电",
        "hydraulic_power": r"\bhydraulic power\b|水力功率|有效功率",
        "input_power": r"\binput power\b|输入功率",
        "output_power": r"\b(?:output|shaft|mechanical) power\b|输出功率|轴功率",
        "efficiency": r"\befficien(?:cy|t)\b|\beta\b|效率",
        "specific_energy": (
            r"\bspecific energy\b|\bper (?:piece|part|item)\b|单耗|单位产品|单件能耗"
        ),
        "improvement": (
            r"\b(?:improve|sav(?:ed|ing)|better|worse|compare)|改善|节省|节约|降低|对比|相比"
        ),
    }
)
_PATTERNS: Mapping[str, re.Pattern[str]] = MappingProxyType(
    {name: re.compile(words, re.IGNORECASE | re.ASCII) for name, words in _WORDS.items()}
)
# A reading after a word (`flow of 70`, `扬程为 26`) or before one (`26 m of head`).
_NUMBER_AFTER = re.compile(r"\s*(?:of|is|was|now|[:=]|为|是|约)?\s*\d", re.IGNORECASE)
_NUMBER_BEFORE = re.compile(r"\d\s*[^\s\d,，。;；]{0,6}\s*(?:of|total)?\s*$", re.IGNORECASE)
_REACH = 20
# Longer texts are tables and documents.
_MAX_TEXT = 2_000


def find_asked(question: str) -> frozenset[str]:
    """Return the names of the outputs that a question names without a number beside the name."""
    text = normalize(question[:_MAX_TEXT])
    return frozenset(name for name, pattern in _PATTERNS.items() if _is_asked(pattern, text))


def with_asked(finding: Finding, asked: frozenset[str]) -> Finding:
    """Return a finding with the figures of these names in front, unchanged if it has none."""
    found = asked.intersection(one.name for one in finding.figures)
    if not found:
        return finding
    figures = sorted(finding.figures, key=lambda one: one.name not in found)
    return replace(finding, figures=tuple(figures), asked=found)


def _is_asked(pattern: re.Pattern[str], text: str) -> bool:
    """Return whether a text has words of an output that no number stands beside."""
    return any(
        not _NUMBER_AFTER.match(text, found.end())
        and not _NUMBER_BEFORE.search(text[max(0, found.start() - _REACH) : found.start()])
        for found in pattern.finditer(text)
    )
