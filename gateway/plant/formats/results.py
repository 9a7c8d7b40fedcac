"""What importers and exporters return, and the errors that they raise."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from gateway.plant.assets.values import PlantModel
from models.sentences import Sentence, sentence

_MAX_SUBJECTS = 20


class FormatInvalid(ValueError):
    """The file is not of the format, or is damaged. The text is a `sentence` for the user."""


class FormatTooLarge(FormatInvalid):
    """The file exceeds a limit on its size, its number of entries or its nesting."""


class NoteCode(StrEnum):
    """What could not be represented."""

    CODE_REPLACED = "code_replaced"
    CYCLE = "cycle"
    ELEMENT_SKIPPED = "element_skipped"
    ENTITY_SKIPPED = "entity_skipped"
    LANGUAGE_SKIPPED = "language_skipped"
    LEVEL_CHANGED = "level_changed"
    NAMEPLATE_INCOMPLETE = "nameplate_incomplete"
    NO_TYPE = "no_type"
    RELATION_SKIPPED = "relation_skipped"
    STATEMENT_SKIPPED = "statement_skipped"
    TEXT_SHORTENED = "text_shortened"
    TYPE_DEFINITION = "type_definition"
    TYPE_SKIPPED = "type_skipped"
    UNIT_UNKNOWN = "unit_unknown"


NOTE_TEXTS: Mapping[NoteCode, Sentence] = MappingProxyType(
    {
        NoteCode.CODE_REPLACED: sentence("Names that occur twice were made unique"),
        NoteCode.CYCLE: sentence("Parents that would form a cycle were removed"),
        NoteCode.ELEMENT_SKIPPED: sentence(
            "Elements without a value or of an unsupported kind were skipped"
        ),
        NoteCode.ENTITY_SKIPPED: sentence("The format has no place for these entities"),
        NoteCode.LANGUAGE_SKIPPED: sentence("Of texts in several languages one was imported"),
        NoteCode.LEVEL_CHANGED: sentence(
            "Levels were changed so that parents contain their children"
        ),
        NoteCode.NAMEPLATE_INCOMPLETE: sentence(
            "These assets have no Digital Nameplate, because required values are missing"
        ),
        NoteCode.NO_TYPE: sentence("Entities without a class were skipped"),
        NoteCode.RELATION_SKIPPED: sentence("The format has no place for these relations"),
        NoteCode.STATEMENT_SKIPPED: sentence("Statements of these kinds were skipped"),
        NoteCode.TEXT_SHORTENED: sentence("Texts longer than the format allows were shortened"),
        NoteCode.TYPE_DEFINITION: sentence("Type definitions are not assets and were skipped"),
        NoteCode.TYPE_SKIPPED: sentence("Of several classes one was imported"),
        NoteCode.UNIT_UNKNOWN: sentence("Unknown units were skipped"),
    }
)


@dataclass(frozen=True, slots=True)
class Note:
    """What was lost: its kind, how often, and the first subjects with that loss."""

    code: NoteCode
    count: int
    subjects: tuple[str, ...]

    @property
    def text(self) -> Sentence:
        """Return the note as a sentence without its subjects."""
        return NOTE_TEXTS[self.code]


@dataclass(frozen=True, slots=True)
class ImportedModel:
    """The model of a file, and what the file has beyond it."""

    model: PlantModel
    notes: tuple[Note, ...]


@dataclass(frozen=True, slots=True)
class ExportedFile:
    """A file of a model, and what the model has beyond it."""

    content: bytes
    media_type: str
    notes: tuple[Note, ...]


class NoteCollector:
    """Collects notes of one import or export; its memory does not grow with the file."""

    def __init__(self) -> None:
        self._counts: Counter[NoteCode] = Counter()
        self._subjects: dict[NoteCode, dict[str, None]] = {}

    def add(self, code: NoteCode, subject: str, count: int = 1) -> None:
        """Record `count` losses of a kind."""
        self._counts[code] += count
        subjects = self._subjects.setdefault(code, {})
        if len(subjects) < _MAX_SUBJECTS:
            subjects[subject[:200]] = None

    def notes(self) -> tuple[Note, ...]:
        """Return the notes, one per kind, sorted by kind."""
        return tuple(
            Note(code, self._counts[code], tuple(self._subjects[code]))
            for code in sorted(self._counts)
        )
