"""What a specialist's outputs say: verdict, figures, interval and reasons, in checkable words."""

from models.findings.asked import find_asked, with_asked
from models.findings.finding import Finding, Stated, Verdict
from models.findings.reading import read_finding
from models.findings.sentences import compose, name_of
from models.findings.verification import check_answer

__all__ = [
    "Finding",
    "Stated",
    "Verdict",
    "check_answer",
    "compose",
    "find_asked",
    "name_of",
    "read_finding",
    "with_asked",
]
