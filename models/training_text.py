"""A training file as text: from its bytes to lines of JSON, with every problem of its form."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

import msgspec

from models.problems import Problem, Problems

MAX_LINES = 100_000
# Of a line with a single example, and of one with whole series.
SHORT_LINE, LONG_LINE = 64 << 10, 16 << 20
# Of longer lines keys that are there twice are not looked for: it takes too long.
_MOST_FOR_TWINS = 1 << 20
_MARKS: Mapping[bytes, str] = MappingProxyType({b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"})
_BOM = b"\xef\xbb\xbf"
# So much of a text's other characters is in GB 2312 where it is Chinese, and not Latin-1 misread.
_CHINESE = 0.9
_DELIMITERS = (",", ";", "\t", "|")
# JSON has none of these, but much software writes them; the field is the key before them.
_NO_NUMBER = re.compile(rb'"([^"]*)"\s*:\s*(?:\[[^\]"]*?)?(-?Infinity|NaN)')
_AS_UTF8 = "Save the file as UTF-8 and upload it again."
_LONGEST_NAME = 64

Shape = TypeVar("Shape")
Numbered = tuple[int, bytes]


def structs(
    content: bytes, shape: type[Shape], problems: Problems, longest: int = SHORT_LINE
) -> list[tuple[int, Shape]]:
    """Each line that is a `shape`, with its number from 1; what the others are is a problem."""
    decoder = msgspec.json.Decoder(shape)
    cut = not content.endswith((b"\n", b"\r"))
    lines = lines_of(content, problems, longest)
    found = []
    for number, line in lines:
        try:
            found.append((number, decoder.decode(line)))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            last = cut and number == lines[-1][0]
            for problem in _explained(number, line, shape, error, last):
                problems.add(problem)
            continue
        for name in _twins(line):
            problems.add(_twin(number, name))
    return found


def lines_of(content: bytes, problems: Problems, longest: int = SHORT_LINE) -> list[Numbered]:
    """The lines that are not empty, in UTF-8, with their numbers."""
    lines = [
        (number, line)
        for number, line in enumerate(_utf8(content, problems).splitlines(), 1)
        if line.strip()
    ]
    if len(lines) > MAX_LINES:
        problems.add(
            Problem(
                "too_many_lines",
                f"A training file has at most {MAX_LINES} lines.",
                "Leave lines out, or learn from several files in turn.",
            )
        )
        return []
    if lines and (other := _other_format(lines)) is not None:
        problems.add(other)
        return []
    return [one for one in lines if not _too_long(one, longest, problems)]


def encoding_notes(content: bytes) -> tuple[str, ...]:
    """What is to be told of a file that is not in UTF-8 and was read all the same."""
    problems = Problems()
    _utf8(content, problems)
    return tuple(problems.notes)


def _utf8(content: bytes, problems: Problems) -> bytes:
    content = content.removeprefix(_BOM)
    mark = _MARKS.get(content[:2])
    if mark is not None:
        return _from_utf16(content, mark, problems)
    try:
        content.decode()
    except UnicodeDecodeError:
        return _from_other(content, problems)
    return content


def _from_utf16(content: bytes, encoding: str, problems: Problems) -> bytes:
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        problems.add(Problem("encoding", "Line 1: the file is no valid UTF-16.", _AS_UTF8, 1))
        return b""
    problems.notes.append("The file is in UTF-16 and was read as that.")
    return text.encode("utf-8", "replace")


def _from_other(content: bytes, problems: Problems) -> bytes:
    """Chinese files are often in GB 18030. A file in two encodings is in none."""
    lines = content.splitlines()
    foreign = [number for number, line in enumerate(lines, 1) if not _is_utf8(line)]
    mixed = any(_is_utf8(line) and not line.isascii() for line in lines)
    text = None if mixed else _chinese(content)
    if text is not None:
        problems.notes.append("The file is in GB 18030 (GBK) and was read as that.")
        return text.encode()
    why = "is not UTF-8, while other lines are" if mixed else "is neither UTF-8 nor GB 18030"
    for number in foreign:
        code = "mixed_encodings" if mixed else "encoding"
        problems.add(Problem(code, f"Line {number}: the text {why}.", _AS_UTF8, number))
    return b"\n".join(line if _is_utf8(line) else b"" for line in lines)


def _chinese(content: bytes) -> str | None:
    try:
        text = content.decode("gb18030")
    except UnicodeDecodeError:
        return None
    other = [character for character in text if not character.isascii()]
    common = sum(_in_gb2312(character) for character in other)
    return text if other and common >= _CHINESE * len(other) else None


def _in_gb2312(character: str) -> bool:
    try:
        character.encode("gb2312")
    except UnicodeEncodeError:
        return False
    return True


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _other_format(lines: list[Numbered]) -> Problem | None:
    """A file in another format: one problem rather than one for each line."""
    number, first = lines[0]
    start = first.strip()
    if start[:1] == b"[" and (start == b"[" or start.startswith(b"[{")):
        return Problem(
            "json_array",
            f"Line {number}: the file is one JSON array.",
            "Write one JSON object a line, without brackets around them and commas between.",
            number,
        )
    if start == b"{" and len(lines) > 1:
        return Problem(
            "several_lines_an_object",
            f"Line {number}: an object is spread over several lines.",
            "Write each JSON object on one line (`jq -c . file`).",
            number,
        )
    text = start.decode("utf-8", "replace")
    if start[:1] not in (b"{", b"[") and (delimiter := _delimiter(text)):
        shown = "tabs" if delimiter == "\t" else f"`{delimiter}`"
        return Problem(
            "not_json_lines",
            f"Line {number}: the file looks like a table separated by {shown}.",
            'Write one JSON object a line, as {"column": value, …}; CSV is not read.',
            number,
        )
    return None


def _delimiter(text: str) -> str | None:
    counts = Counter({one: text.count(one) for one in _DELIMITERS})
    delimiter, count = counts.most_common(1)[0]
    return delimiter if count else None


def _too_long(numbered: Numbered, longest: int, problems: Problems) -> bool:
    number, line = numbered
    if len(line) <= longest:
        return False
    shown = f"{longest >> 20} MiB" if longest >= 1 << 20 else f"{longest >> 10} KiB"
    problems.add(
        Problem(
            "line_too_long",
            f"Line {number} has {len(line)} bytes; at most {shown} are read.",
            "Check that every example is on a line of its own, or divide it.",
            number,
        )
    )
    return True


def _explained(
    number: int, line: bytes, shape: type[Any], error: Exception, last: bool
) -> Iterator[Problem]:
    """Every problem of a line that is no `shape`."""
    words = list(_words_for_numbers(number, line))
    if words:
        yield from words
        return
    try:
        value = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as broken:
        yield _broken(number, broken, last)
        return
    found = list(_of_fields(number, value, shape)) if isinstance(value, dict) else []
    yield from found or [
        Problem("wrong_form", f"Line {number}: {error}.", "See the form of a line.", number)
    ]
    for name in _twins(line):
        yield _twin(number, name)


def _words_for_numbers(number: int, line: bytes) -> Iterator[Problem]:
    if b"NaN" not in line and b"Infinity" not in line:
        return
    seen = set()
    for found in _NO_NUMBER.finditer(line):
        name, word = (part.decode(errors="replace") for part in found.groups())
        if name not in seen:
            seen.add(name)
            yield Problem(
                "not_finite",
                f"Line {number}: {name[:_LONGEST_NAME]!r} holds {word}.",
                "Leave the example out, or give the value that was measured.",
                number,
                name[:_LONGEST_NAME],
            )


def _broken(number: int, error: Exception, last: bool) -> Problem:
    if last and "truncated" in str(error):
        return Problem(
            "truncated_line",
            f"Line {number}: {error}: the file ends in the middle of a line.",
            "The file was cut off. Upload it again, whole.",
            number,
        )
    return Problem("invalid_json", f"Line {number}: {error}.", "Write valid JSON.", number)


def _of_fields(number: int, value: dict[str, Any], shape: type[Any]) -> Iterator[Problem]:
    """What is wrong with each field, in the words of the whole line's decoder."""
    fields = {one.encode_name: one for one in msgspec.structs.fields(shape)}
    for name, one in fields.items():
        if name not in value:
            if one.required:
                said = f"Object missing required field `{name}`"
                yield _of_field("missing_field", number, name, said, "Add it to the line.")
            continue
        try:
            msgspec.convert(value[name], _plain(one.type))
        except msgspec.ValidationError as error:
            said, _, place = str(error).partition(" - at `$")
            at = f" - at `$.{name}{place.rstrip('`')}`"
            yield _of_field("wrong_type", number, name, said + at, "Give a value of that type.")
    for name in value.keys() - fields.keys():
        said = f"Object contains unknown field `{name[:_LONGEST_NAME]}`"
        known = ", ".join(f"`{one}`" for one in fields)
        yield _of_field("unknown_field", number, name, said, f"Remove it. Known: {known}.")


def _plain(kind: Any) -> Any:
    """Parts that a reader decodes later, a sensor at a time, may be anything here."""
    return dict[str, Any] if kind == dict[str, msgspec.Raw] else kind


def _of_field(code: str, number: int, name: str, said: str, fix: str) -> Problem:
    return Problem(code, f"Line {number}: {said}.", fix, number, name[:_LONGEST_NAME])


def _twins(line: bytes) -> list[str]:
    """The keys that an object has twice; JSON's readers keep the last and say nothing."""
    if len(line) > _MOST_FOR_TWINS:
        return []
    found: list[str] = []

    def keep(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) < len(pairs):
            counts = Counter(name for name, _ in pairs)
            found.extend(name for name, count in counts.items() if count > 1)
        return made

    try:
        json.loads(line, object_pairs_hook=keep)
    except (ValueError, RecursionError):
        return []
    return found


def _twin(number: int, name: str) -> Problem:
    said = f"Line {number}: {name[:_LONGEST_NAME]!r} is there twice."
    return Problem("duplicate_field", said, "Keep one of them.", number, name[:_LONGEST_NAME])
