"""A labelled picture of a training file and its place there, by which problems name it."""

from dataclasses import dataclass

from models.problems import Problem
from models.surface_defect.picture import Picture, PictureInvalid

MAX_LABEL_LENGTH = 100


@dataclass(frozen=True, slots=True)
class PicturePlace:
    """A line of the training file, counted from 1, or the path of a file in a ZIP."""

    line: int | None = None
    path: str | None = None

    def __str__(self) -> str:
        return f"line {self.line}" if self.path is None else self.path

    def problem(self, code: str, reason: str, fix: str, field: str) -> Problem:
        """Return a problem of the picture. In a ZIP, the field is the file's path."""
        name = f"Line {self.line}" if self.path is None else self.path
        return Problem(code, f"{name}: {reason}", fix, self.line, self.path or field)


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
    reason = f"'label' must have 1 to {MAX_LABEL_LENGTH} printable characters."
    return place.problem("invalid_label", reason, "Name the defect.", "label")


def picture_problem(place: PicturePlace, error: PictureInvalid) -> Problem:
    """Return the problem of a picture that cannot be decoded."""
    subject = "'image'" if place.path is None else "the image"
    return place.problem("invalid_image", f"{subject} {error}.", "Replace the image.", "image")
