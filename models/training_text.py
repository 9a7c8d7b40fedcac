"""Decode a training file from bytes to JSON lines, collecting every problem of its format."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

import msgspec

from models.problems import Problem, Problems
from models.sentences import Sentence, sentence

MAX_LINES = 100_000
# Maximum bytes of a line with a single example, and of a line with whole series.
MAX_SHORT_LINE, MAX_LONG_LINE = 64 << 10, 16 << 20
# Longer lines are not checked for duplicate keys: it would take too long.
_MAX_DUPLICATE_CHECK = 1 << 20
_UTF16_BOMS: Mapping[bytes, str] = MappingProxyType({b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"})
_GB18030_BOM = b"\x84\x31\x95\x33"
_UTF8_BOM = b"\xef\xbb\xbf"
# Share of the non-ASCII characters in GB 2312 above which a text is Chinese, not misread Latin-1.
_MIN_CHINESE_SHARE = 0.9
_DELIMITERS = (",", ";", "\t", "|")
# Not valid JSON, but written by much software; the field is the key before the literal.
# What msgspec says about a value of another type.
_MISMATCH = re.compile(r"Expected `(?P<expected>[^`]+)`, got `(?P<got>[^`]+)`")
_NON_FINITE_NUMBER = re.compile(rb'"([^"]*)"\s*:\s*(?:\[[^\]"]*?)?(-?Infinity|NaN)')
_SAVE_AS_UTF8 = sentence("Save the file as UTF-8 and upload it again.")
_MAX_NAME_LENGTH = 64

Shape = TypeVar("Shape")
NumberedLine = tuple[int, bytes]


def decode_lines(
    content: bytes, shape: type[Shape], problems: Problems, max_length: int = MAX_SHORT_LINE
) -> list[tuple[int, Shape]]:
    """Decode each line as a `shape`, with its number from 1; invalid lines become `problems`."""
    decoder = msgspec.json.Decoder(shape)
    is_truncated = not content.endswith((b"\n", b"\r"))
    lines = split_lines(content, problems, max_length)
    decoded = []
    for number, line in lines:
        try:
            decoded.append((number, decoder.decode(line)))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            is_last = is_truncated and number == lines[-1][0]
            for problem in _line_problems(number, line, shape, error, is_last):
                problems.add(problem)
            continue
        for name in _duplicate_keys(line):
            problems.add(_duplicate_key_problem(number, name))
    return decoded


def split_lines(
    content: bytes, problems: Problems, max_length: int = MAX_SHORT_LINE
) -> list[NumberedLine]:
    """Return the non-empty lines in UTF-8 with their numbers; format problems are added."""
    lines = [
        (number, line)
        for number, line in enumerate(to_utf8(content, problems).splitlines(), 1)
        if line.strip()
    ]
    if len(lines) > MAX_LINES:
        problems.add(
            Problem(
                "too_many_lines",
                sentence("A training file can have at most {most} lines.", most=MAX_LINES),
                sentence("Remove lines, or train on several files one after the other."),
            )
        )
        return []
    if lines and (other_format := _detect_other_format(lines)) is not None:
        problems.add(other_format)
        return []
    return [numbered for numbered in lines if not _is_too_long(numbered, max_length, problems)]


def encoding_notes(content: bytes) -> tuple[Sentence, ...]:
    """Return notes on how a file in another encoding than UTF-8 was read; empty for UTF-8."""
    problems = Problems()
    to_utf8(content, problems)
    return tuple(problems.notes)


def to_utf8(content: bytes, problems: Problems) -> bytes:
    """Convert a file to UTF-8 from UTF-16 or GB 18030."""
    content = content.removeprefix(_UTF8_BOM).removeprefix(_GB18030_BOM)
    utf16_encoding = _UTF16_BOMS.get(content[:2])
    if utf16_encoding is not None:
        return _utf16_to_utf8(content, utf16_encoding, problems)
    try:
        content.decode()
    except UnicodeDecodeError:
        return _gb18030_to_utf8(content, problems)
    return content


def _utf16_to_utf8(content: bytes, encoding: str, problems: Problems) -> bytes:
    """Convert UTF-16 to UTF-8, or add a problem."""
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        problems.add(
            Problem("encoding", sentence("Line 1: the file is not valid UTF-16."), _SAVE_AS_UTF8, 1)
        )
        return b""
    problems.notes.append(sentence("The file was read as UTF-16."))
    return text.encode("utf-8", "replace")


def _gb18030_to_utf8(content: bytes, problems: Problems) -> bytes:
    """Convert GB 18030, common in Chinese files, to UTF-8, or add a problem per invalid line.

    Files with mixed encodings are rejected.
    """
    lines = content.splitlines()
    invalid_lines = [number for number, line in enumerate(lines, 1) if not _is_utf8(line)]
    is_mixed = any(_is_utf8(line) and not line.isascii() for line in lines)
    text = None if is_mixed else _decode_chinese(content)
    if text is not None:
        problems.notes.append(sentence("The file was read as GB 18030 (GBK)."))
        return text.encode()
    code = "mixed_encodings" if is_mixed else "encoding"
    for number in invalid_lines:
        message = (
            sentence("Line {number}: the text is not UTF-8, but other lines are.", number=number)
            if is_mixed
            else sentence("Line {number}: the text is neither UTF-8 nor GB 18030.", number=number)
        )
        problems.add(Problem(code, message, _SAVE_AS_UTF8, number))
    return b"\n".join(line if _is_utf8(line) else b"" for line in lines)


def _decode_chinese(content: bytes) -> str | None:
    """Decode GB 18030. Returns None if the text is probably not Chinese."""
    try:
        text = content.decode("gb18030")
    except UnicodeDecodeError:
        return None
    non_ascii = [character for character in text if not character.isascii()]
    common_count = sum(_in_gb2312(character) for character in non_ascii)
    return text if non_ascii and common_count >= _MIN_CHINESE_SHARE * len(non_ascii) else None


def _in_gb2312(character: str) -> bool:
    """Return whether a character is in the common Chinese set GB 2312."""
    try:
        character.encode("gb2312")
    except UnicodeEncodeError:
        return False
    return True


def _is_utf8(line: bytes) -> bool:
    """Return whether a line is valid UTF-8."""
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _detect_other_format(lines: list[NumberedLine]) -> Problem | None:
    """Return one problem for a file in another format, such as a JSON array or CSV, else None."""
    number, first = lines[0]
    start = first.strip()
    if start[:1] == b"[" and (start == b"[" or start.startswith(b"[{")):
        return Problem(
            "json_array",
            sentence("Line {number}: the file is one JSON array.", number=number),
            sentence(
                "Write one JSON object per line (JSON Lines), without enclosing brackets and "
                "commas between lines."
            ),
            number,
        )
    if start == b"{" and len(lines) > 1:
        return Problem(
            "several_lines_an_object",
            sentence("Line {number}: an object spans several lines.", number=number),
            sentence("Write each JSON object on one line (`jq -c . file`)."),
            number,
        )
    text = start.decode("utf-8", "replace")
    if start[:1] not in (b"{", b"[") and (delimiter := _detect_delimiter(text)):
        separator = sentence("tabs") if delimiter == "\t" else f"`{delimiter}`"
        return Problem(
            "not_json_lines",
            sentence(
                "Line {number}: the file looks like a table separated by {separator}.",
                number=number,
                separator=separator,
            ),
            sentence(
                'Write one JSON object per line, for example {{"column": value, …}}; CSV is '
                "not supported."
            ),
            number,
        )
    return None


def _detect_delimiter(text: str) -> str | None:
    """Return the most frequent CSV delimiter of a line, or None."""
    counts = Counter({candidate: text.count(candidate) for candidate in _DELIMITERS})
    delimiter, count = counts.most_common(1)[0]
    return delimiter if count else None


def _is_too_long(numbered: NumberedLine, max_length: int, problems: Problems) -> bool:
    """Return whether a line exceeds the maximum length, adding a problem if so."""
    number, line = numbered
    if len(line) <= max_length:
        return False
    limit = f"{max_length >> 20} MiB" if max_length >= 1 << 20 else f"{max_length >> 10} KiB"
    problems.add(
        Problem(
            "line_too_long",
            sentence(
                "Line {number} has {count} bytes; at most {limit} are allowed.",
                number=number,
                count=len(line),
                limit=limit,
            ),
            sentence("Check that every example is on its own line, or split the example."),
            number,
        )
    )
    return True


def _line_problems(
    number: int, line: bytes, shape: type[Any], error: Exception, is_last: bool
) -> Iterator[Problem]:
    """Yield every problem of an undecodable line; `is_last` allows for a truncated file."""
    non_finite = list(_non_finite_problems(number, line))
    if non_finite:
        yield from non_finite
        return
    try:
        value = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as json_error:
        yield _json_problem(number, json_error, is_last)
        return
    problems = list(_field_problems(number, value, shape)) if isinstance(value, dict) else []
    yield from problems or [
        Problem(
            "wrong_form",
            sentence("Line {number}: {error}.", number=number, error=describe_mismatch(error)),
            sentence("See the format of a line in the documentation."),
            number,
        )
    ]
    for name in _duplicate_keys(line):
        yield _duplicate_key_problem(number, name)


def _non_finite_problems(number: int, line: bytes) -> Iterator[Problem]:
    """Yield a problem for each field with NaN or Infinity, which JSON does not allow."""
    if b"NaN" not in line and b"Infinity" not in line:
        return
    reported = set()
    for match in _NON_FINITE_NUMBER.finditer(line):
        name, literal = (part.decode(errors="replace") for part in match.groups())
        if name not in reported:
            reported.add(name)
            yield Problem(
                "not_finite",
                sentence(
                    "Line {number}: {name} contains {literal}.",
                    number=number,
                    name=repr(name[:_MAX_NAME_LENGTH]),
                    literal=literal,
                ),
                sentence("Remove the example, or give the measured value."),
                number,
                name[:_MAX_NAME_LENGTH],
            )


def _json_problem(number: int, error: Exception, is_last: bool) -> Problem:
    """Return the problem of a line of invalid JSON; `is_last` allows for a truncated file."""
    if is_last and "truncated" in str(error):
        return Problem(
            "truncated_line",
            sentence(
                "Line {number}: {error}: the file ends in the middle of a line.",
                number=number,
                error=error,
            ),
            sentence("The file is truncated. Upload it again completely."),
            number,
        )
    return Problem(
        "invalid_json",
        sentence("Line {number}: {error}.", number=number, error=error),
        sentence("Write valid JSON."),
        number,
    )


def _field_problems(number: int, value: dict[str, Any], shape: type[Any]) -> Iterator[Problem]:
    """Yield the problem of each invalid, missing or unknown field, worded like msgspec's errors."""
    fields = {field.encode_name: field for field in msgspec.structs.fields(shape)}
    for name, field in fields.items():
        if name not in value:
            if field.required:
                message = sentence("Object missing required field `{name}`", name=name)
                yield _field_problem(
                    "missing_field", number, name, message, sentence("Add the field to the line.")
                )
            continue
        try:
            msgspec.convert(value[name], _validation_type(field.type))
        except msgspec.ValidationError as error:
            told = describe_mismatch(error, f"$.{name}")
            yield _field_problem(
                "wrong_type", number, name, told, sentence("Give a value of this type.")
            )
    for name in value.keys() - fields.keys():
        message = sentence("Object contains unknown field `{name}`", name=name[:_MAX_NAME_LENGTH])
        known_fields = ", ".join(f"`{field}`" for field in fields)
        yield _field_problem(
            "unknown_field",
            number,
            name,
            message,
            sentence("Remove the field. Known fields: {names}.", names=known_fields),
        )


def describe_mismatch(error: Exception, field: str = "$") -> str:
    """Return what msgspec says about a value; `field` is the path of the value it was checked as.

    Only the words between the types are translated: the rest is of the parser.
    """
    message, _, location = str(error).partition(" - at `$")
    found, path = _MISMATCH.fullmatch(message), field + location.rstrip("`")
    what = (
        message
        if found is None
        else sentence(
            "Expected `{expected}`, got `{got}`", expected=found["expected"], got=found["got"]
        )
    )
    return what if path == "$" else sentence("{what} - at `{path}`", what=what, path=path)


def _validation_type(field_type: Any) -> Any:
    """Return the type to check a field against; parts decoded later may have any type."""
    return dict[str, Any] if field_type == dict[str, msgspec.Raw] else field_type


def _field_problem(code: str, number: int, name: str, message: str, fix: str) -> Problem:
    """Create the problem of a field."""
    return Problem(
        code,
        sentence("Line {number}: {message}.", number=number, message=message),
        fix,
        number,
        name[:_MAX_NAME_LENGTH],
    )


def _duplicate_keys(line: bytes) -> list[str]:
    """Return the keys that occur twice in an object; JSON parsers silently keep the last."""
    if len(line) > _MAX_DUPLICATE_CHECK:
        return []
    duplicates: list[str] = []

    def collect(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        """Convert an object's pairs to a dictionary; keys that repeat go to `duplicates`."""
        unique = dict(pairs)
        if len(unique) < len(pairs):
            counts = Counter(name for name, _ in pairs)
            duplicates.extend(name for name, count in counts.items() if count > 1)
        return unique

    try:
        json.loads(line, object_pairs_hook=collect)
    except (ValueError, RecursionError):
        return []
    return duplicates


def _duplicate_key_problem(number: int, name: str) -> Problem:
    """Create the problem of a duplicate key."""
    message = sentence(
        "Line {number}: {name} occurs twice.", number=number, name=repr(name[:_MAX_NAME_LENGTH])
    )
    return Problem(
        "duplicate_field", message, sentence("Keep one of them."), number, name[:_MAX_NAME_LENGTH]
    )
