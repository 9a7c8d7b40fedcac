"""What the gateway says by itself in a conversation with specialists, in English and Chinese."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from models.arguments.values import Problem, ProblemKind
from models.findings.sentences import name_of
from models.signature import InputField

# More columns than this are a table, not a list to read.
_MAX_ASKED = 12
_TEXTS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "en": {
            "ask": "To use {model}, I still need: {columns}. Please state the values with their "
            "units.",
            "column": "{name} ({details})",
            "plain": "{name}",
            "more": "and {count} more columns, best as a table with the columns' names",
            "list": "; ",
            "series": "{low} to {high} values",
            "choice": "one of {values}",
            "range": "{name}: {text} is outside {span}.",
            "unit": "{name}: {text} is not in a unit of this quantity ({unit}).",
            "ambiguous": "{name}: {text}. Please state one value.",
            "failed": "{model} could not answer: {error}",
            "disagree": "The models disagree: {first} and {second} come to different results. "
            "Both are reported.",
            "row": "Row {number}: {text}",
            "rows_left": "{count} more rows are in x_maas_decisions.",
            "again": "Your last answer had figures or statements that are not the specialist's, or "
            "lacked some: {problems}. Answer again, briefly, with the specialist's figures only.",
            "between": " ",
        },
        "zh": {
            "ask": "要使用 {model}，还需要：{columns}。请给出数值和单位。",
            "column": "{name}（{details}）",
            "plain": "{name}",
            "more": "以及其他 {count} 列，最好以带列名的表格提供",
            "list": "；",
            "series": "{low} 至 {high} 个值",
            "choice": "可选 {values}",
            "range": "{name}：{text} 超出允许范围 {span}。",
            "unit": "{name}：{text} 的单位与该量不符（应为 {unit}）。",
            "ambiguous": "{name}：{text}，请只给出一个值。",
            "failed": "{model} 无法给出结论：{error}",
            "disagree": "模型结论不一致：{first} 与 {second} 的结果不同，两者均列出。",
            "row": "第 {number} 行：{text}",
            "rows_left": "其余 {count} 行见 x_maas_decisions。",
            "again": "上一条回答中有专用模型没有给出的数字或说法，或缺少必要内容：{problems}。"
            "请只用专用模型的数字，简短地重新回答。",
            "between": "",
        },
    }
)


def ask_for(
    model: str, missing: Sequence[InputField], problems: Sequence[Problem], language: str,
    fields: Sequence[InputField],
) -> str:  # fmt: skip
    """Return the message that asks for missing inputs by name, meaning, unit and limits.

    problems: values that the person gave but that cannot be used.
    """
    texts = _TEXTS[language]
    by_name = {field.name: field for field in fields}
    sentences = [_problem(problem, by_name[problem.column], language) for problem in problems]
    shown = [_column(field, language) for field in missing[:_MAX_ASKED]]
    if len(missing) > _MAX_ASKED:
        shown.append(texts["more"].format(count=len(missing) - _MAX_ASKED))
    sentences.append(texts["ask"].format(model=model, columns=texts["list"].join(shown)))
    return texts["between"].join(sentences)


def failed(model: str, error: str, language: str) -> str:
    """Return the sentence that a specialist could not answer."""
    return _TEXTS[language]["failed"].format(model=model, error=error)


def disagreement(first: str, second: str, language: str) -> str:
    """Return the sentence that two models come to different results."""
    return _TEXTS[language]["disagree"].format(first=first, second=second)


def numbered_rows(texts: Sequence[str], count: int, language: str) -> str:
    """Return the texts of several rows with their numbers; `count` rows there are in all."""
    row = _TEXTS[language]["row"]
    lines = [row.format(number=number, text=text) for number, text in enumerate(texts, start=1)]
    if count > len(texts):
        lines.append(_TEXTS[language]["rows_left"].format(count=count - len(texts)))
    return "\n".join(lines)


def answer_again(problems: Sequence[str], language: str) -> str:
    """Return the instruction for a second answer, with what was wrong with the first."""
    shown = _TEXTS[language]["list"].join(problems[:8])
    return _TEXTS[language]["again"].format(problems=shown)


def _problem(problem: Problem, field: InputField, language: str) -> str:
    """Return the sentence about a value that cannot be used."""
    texts = _TEXTS[language]
    name = name_of(problem.column, language)
    if problem.kind is ProblemKind.RANGE:
        return texts["range"].format(name=name, text=problem.text, span=_limits(field, language))
    if problem.kind is ProblemKind.UNIT:
        return texts["unit"].format(name=name, text=problem.text, unit=field.unit)
    return texts["ambiguous"].format(name=name, text=problem.text)


def _column(field: InputField, language: str) -> str:
    """Return a column's name with meaning, unit and limits."""
    texts = _TEXTS[language]
    unit = "" if field.unit in (None, "1") else str(field.unit)
    meaning = field.description if language == "en" or not _is_named(field, language) else ""
    limits = _limits(field, language)
    details = [part for part in (meaning, limits if limits else unit) if part]
    name = name_of(field.name, language)
    if not details:
        return texts["plain"].format(name=name)
    return texts["column"].format(name=name, details=", ".join(details))


def _is_named(field: InputField, language: str) -> bool:
    """Return whether a column has a name of its own in the language."""
    return name_of(field.name, language) != field.name


def _limits(field: InputField, language: str) -> str:
    """Return the limits of a column with its unit, its values, or the length of a series."""
    texts = _TEXTS[language]
    unit = "" if field.unit in (None, "1") else f" {field.unit}"
    if field.values:
        return texts["choice"].format(values=", ".join(one for one in field.values if one))
    if field.length is not None:
        length = texts["series"].format(low=field.length[0], high=field.length[1])
        return f"{length}{unit}"
    if field.minimum is None or field.maximum is None:
        return unit.strip()
    return f"{field.minimum:g}–{field.maximum:g}{unit}"
