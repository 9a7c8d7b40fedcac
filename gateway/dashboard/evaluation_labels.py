"""Labels of evaluations: statuses, scoring methods, and problems of question files.

The texts are English and marked for extraction to the translation catalogs.
"""

from collections.abc import Mapping
from types import MappingProxyType

from infra.translations import gettext_noop

EVALUATION_LABELS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "evaluation": {
            "queued": gettext_noop("Queued"),
            "in_progress": gettext_noop("In progress"),
            "completed": gettext_noop("Completed"),
            "incomplete": gettext_noop("Stopped at a limit"),
            "canceled": gettext_noop("Canceled"),
            "failed": gettext_noop("Failed"),
        },
        "scoring": {
            "auto": gettext_noop("By the form of the expected answer"),
            "exact": gettext_noop("Exact match"),
            "contains": gettext_noop("Contains the expected text"),
            "number": gettext_noop("Number with unit"),
            "choice": gettext_noop("Choice label"),
            "json": gettext_noop("JSON fields"),
        },
        # By the problem's code (models/evaluation/question_file.py, models/training_text.py).
        "question_problem": {
            "expected_answer": gettext_noop(
                "Give exactly one of `expected`, `expected_any` and `expected_all`."
            ),
            "question": gettext_noop("Give either `question` or `messages`."),
            "empty_text": gettext_noop("The text is empty."),
            "last_message": gettext_noop("The last message must be the user's."),
            "nul_character": gettext_noop("Remove the NUL character."),
            "not_a_number": gettext_noop(
                "The expected answer is not a number with a unit, such as `0.5 MPa`."
            ),
            "not_a_choice": gettext_noop(
                "The expected answer is not a letter or not one of `choices`."
            ),
            "wrong_form": gettext_noop("The line does not have the documented form."),
            "tolerance": gettext_noop("Write a tolerance such as `2%` or `0.1 bar`."),
            "id": gettext_noop("Remove control characters from `id`."),
            "duplicate_id": gettext_noop("An earlier line has the same `id`."),
            "missing_field": gettext_noop("A field is missing."),
            "wrong_type": gettext_noop("The field has a value of the wrong type."),
            "unknown_field": gettext_noop("The field is not known. Check the spelling."),
            "duplicate_field": gettext_noop("The field occurs twice."),
            "invalid_json": gettext_noop("The line is not valid JSON."),
            "truncated_line": gettext_noop("The file ends in the middle of a line."),
            "not_finite": gettext_noop("NaN and Infinity are not valid JSON."),
            "line_too_long": gettext_noop("The line is longer than 64 KiB."),
            "json_array": gettext_noop("Write one JSON object per line, not a JSON array."),
            "several_lines_an_object": gettext_noop("Write each JSON object on one line."),
            "not_json_lines": gettext_noop(
                "The file looks like a table. Write one JSON object per line."
            ),
            "encoding": gettext_noop("Save the file as UTF-8."),
            "mixed_encodings": gettext_noop("The file mixes encodings. Save it as UTF-8."),
            "empty_file": gettext_noop("The file has no questions."),
            "file_too_large": gettext_noop("A question file can have at most 4 MiB."),
            "too_many_lines": gettext_noop("A question file can have at most 1,000 questions."),
            "vector_store_not_found": gettext_noop("The account has no such vector store."),
            "vector_store_expired": gettext_noop("The vector store has expired."),
        },
    }
)
EVALUATION_ACTIONS: Mapping[str, str] = MappingProxyType(
    {
        "evaluation.created": gettext_noop("Started an evaluation"),
        "evaluation.canceled": gettext_noop("Canceled an evaluation"),
        "evaluation.resumed": gettext_noop("Continued an evaluation"),
        "evaluation.deleted": gettext_noop("Deleted an evaluation"),
    }
)
