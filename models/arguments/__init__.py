"""A specialist's inputs, read from what people write: values with units in Chinese and English."""

from models.arguments.extraction import extract
from models.arguments.merging import merge_arguments
from models.arguments.values import Extraction, Problem, ProblemKind, Reading, Row, Source

__all__ = [
    "Extraction",
    "Problem",
    "ProblemKind",
    "Reading",
    "Row",
    "Source",
    "extract",
    "merge_arguments",
]
