"""The sentence that says which readings of an asset a specialist got, in English and Chinese."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from models.findings.sentences import name_of

# More inputs than this are a table, which the response has as JSON.
_MAX_SHOWN = 8
_MINUTE_S, _HOUR_S = 60.0, 3_600.0
_TEXTS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "en": {
            "used": "Inputs read from {asset}: {inputs}.",
            "missing": "No usable reading of {asset} for: {inputs}.",
            "value": "{name} {value} ({tag}, {age} old)",
            "series": "{name} {count} values ({tag})",
            "more": "and {count} more",
            "several": "Several assets are meant: {assets}. Name one by its code.",
            "list": "; ",
            "between": " ",
            "s": "{count} s",
            "min": "{count} min",
            "h": "{count} h",
        },
        "zh": {
            "used": "输入取自 {asset} 的测点：{inputs}。",
            "missing": "{asset} 没有可用读数的输入：{inputs}。",
            "value": "{name} {value}（{tag}，{age}前）",
            "series": "{name} {count} 个值（{tag}）",
            "more": "以及其他 {count} 项",
            "several": "提到的资产有多个：{assets}。请用编码指明其中一个。",
            "list": "；",
            "between": "",
            "s": "{count} 秒",
            "min": "{count} 分钟",
            "h": "{count} 小时",
        },
    }
)


def asset_note(
    asset: str,
    inputs: Sequence[Mapping[str, Any]],
    missing: Sequence[Mapping[str, Any]],
    language: str,
) -> str:
    """Return which inputs were read from an asset, and which it has no usable reading for.

    inputs: reported inputs with `name`, `tag`, `value` or `steps`, `unit` and `age_s`.
    """
    texts = _TEXTS[language]
    sentences = []
    for key, names in (
        ("used", [_input(one, language) for one in inputs if "tag" in one]),
        ("missing", [name_of(one["name"], language) for one in missing]),
    ):
        if names:
            listed = texts["list"].join(_shown(names, language))
            sentences.append(texts[key].format(asset=asset, inputs=listed))
    return texts["between"].join(sentences)


def several_assets(codes: Sequence[str], language: str) -> str:
    """Return the sentence that asks for one of several assets."""
    texts = _TEXTS[language]
    return texts["several"].format(assets=texts["list"].join(_shown(list(codes), language)))


def _shown(names: list[str], language: str) -> list[str]:
    """Return the first names, and how many more there are."""
    if len(names) <= _MAX_SHOWN:
        return names
    more = _TEXTS[language]["more"].format(count=len(names) - _MAX_SHOWN)
    return [*names[:_MAX_SHOWN], more]


def _input(one: Mapping[str, Any], language: str) -> str:
    """Return an input with value, unit, tag and age."""
    texts, name = _TEXTS[language], name_of(one["name"], language)
    if "steps" in one:
        return texts["series"].format(name=name, count=one["steps"], tag=one["tag"])
    value = f"{one['value']:.6g}" if isinstance(one["value"], float) else str(one["value"])
    with_unit = f"{value} {one.get('unit', '')}".strip()
    age = _age(one.get("age_s", 0.0), language)
    return texts["value"].format(name=name, value=with_unit, tag=one["tag"], age=age)


def _age(seconds: float, language: str) -> str:
    """Return an age in its largest whole unit up to hours."""
    for unit, length in (("h", _HOUR_S), ("min", _MINUTE_S)):
        if seconds >= length:
            return _TEXTS[language][unit].format(count=int(seconds // length))
    return _TEXTS[language]["s"].format(count=int(seconds))
