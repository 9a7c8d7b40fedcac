"""A labelled picture of a training file and its place there, by which problems name it."""

from dataclasses import dataclass

from models.problems import Problem
from models.sentences import sentence
from models.surface_defect.picture import Picture, PictureInvalid

MAX_LABEL_LENGTH = 100


@dataclass(frozen=True, slots=True)
class PicturePlace:
    """A line of the training file, counted from 1, or the path of a file in a ZIP."""

    line: int | None = None
    path: str | None = None

    @property
    def name(self) -> str:
        """The place within a sentence."""
        return sentence("line {number}", number=self.line) if self.path is None else self.path

    def problem(self, code: str, reason: str, fix: str, field: str) -> Problem:
        """Return a problem of the picture. In a ZIP, the field is the file's path."""
        message = (
            sentence("Line {number}: {reason}", number=self.line, reason=reason)
            if self.path is None
            else sentence("{path}: {reason}", path=self.path, reason=reason)
        )
        return Problem(code, message, fix, self.line, self.path or field)


@dataclass(frozen=True, slots=True)
class LabelledPicture:
    """A picture with its label."""

    place: PicturePlace
    label: str
    picture: Picture


def is_valid_label(label: str) -> bool:
    """Return whether a label has 1 to MAX_LABEL_LENGTH printable characters."""
    return 0 < len(label) <= MAX_LABEL_LENGTH and label.isprintable()


def label_problem(place: PicturePlace) -> Problem:
    """Return the problem of a picture whose label cannot be used."""
    reason = sentence("'label' must have 1 to {most} printable characters.", most=MAX_LABEL_LENGTH)
    return place.problem("invalid_label", reason, sentence("Name the defect."), "label")


def picture_problem(place: PicturePlace, error: PictureInvalid) -> Problem:
    """Return the problem of a picture that cannot be decoded."""
    subject = "'image'" if place.path is None else sentence("the image")
    return place.problem(
        "invalid_image",
        sentence("{subject} {error}.", subject=subject, error=error),
        sentence("Replace the image."),
        "image",
    )
