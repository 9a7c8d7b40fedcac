"""Checks of the texts of a plant model: lengths, control characters, properties."""

from collections.abc import Mapping

from gateway.plant.assets.limits import (
    MAX_CODE,
    MAX_NAME,
    MAX_PROPERTIES,
    MAX_PROPERTY_VALUE,
    MAX_TYPE,
)
from gateway.plant.assets.values import Property
from models.problems import Problem, Problems
from models.sentences import sentence

_SHOWN = 60


class TextChecks:
    """Adds a problem for each text of a model that cannot be stored or displayed."""

    def __init__(self, problems: Problems) -> None:
        self._problems = problems

    def key(self, text: str, field: str, line: int | None) -> bool:
        """Check a code or tag, which must not be empty. Returns whether it is valid."""
        if text.strip() != text or not text:
            message = sentence(
                "{field} {value} is empty or begins or ends with a space.",
                field=field,
                value=repr(text[:_SHOWN]),
            )
            self._add(
                "invalid_text", message, sentence("Write it without the spaces."), field, line
            )
            return False
        return self.text(text, field, line, MAX_CODE)

    def text(self, text: str, field: str, line: int | None, most: int = MAX_NAME) -> bool:
        """Check a name, which may be empty. Returns whether it is valid."""
        if len(text) > most:
            message = sentence(
                "{field} {value} has more than {most} characters.",
                field=field,
                value=repr(text[:_SHOWN]),
                most=most,
            )
            self._add("text_too_long", message, sentence("Shorten it."), field, line)
            return False
        if not text.isprintable() or "\ufffd" in text:
            message = sentence(
                "{field} {value} has a control character or an unreadable one.",
                field=field,
                value=ascii(text[:_SHOWN]),
            )
            self._add("invalid_text", message, sentence("Remove the character."), field, line)
            return False
        return True

    def types(self, types: Mapping[str, str], line: int | None) -> None:
        """Check the class ids of an asset, by scheme."""
        for scheme, name in types.items():
            self.key(scheme, "types", line)
            self.text(name, "types", line, MAX_TYPE)

    def properties(self, properties: Mapping[str, Property], line: int | None) -> None:
        """Check names and values of properties, and how many there are."""
        if len(properties) > MAX_PROPERTIES:
            message = sentence("There are more than {most} properties.", most=MAX_PROPERTIES)
            self._add("too_many_properties", message, sentence("Remove some."), "properties", line)
            return
        for name, value in properties.items():
            self.text(name, "properties", line, MAX_CODE)
            self.text(value.unit, "properties", line, MAX_CODE)
            self.text(value.semantic_id, "properties", line)
            plain = value.value.replace("\n", " ").replace("\r", " ").replace("\t", " ")
            self.text(plain, "properties", line, MAX_PROPERTY_VALUE)

    def _add(self, code: str, message: str, fix: str, field: str, line: int | None) -> None:
        """Add a problem."""
        self._problems.add(Problem(code, message, fix, line, field))
