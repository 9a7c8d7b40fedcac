"""All messages of trainings: each is a sentence, and each can be shown in Chinese."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.call.errors import BudgetExhausted, CreditExhausted, UpstreamFailed
from gateway.dashboard.i18n import dashboard_texts
from gateway.dashboard.metric_names import metric_name
from gateway.dashboard.training_log import read_log, read_reason, translate_message
from gateway.fine_tuning.progress_stream import TrainingError, to_specialist_error
from gateway.fine_tuning.reasons import REASONS, reason_of
from infra.errors import AppError
from models import anomaly, failure_class, industrial_llm, tag_align
from models.adaptation import TrainingFileInvalid
from models.failure_class.adapt import METRIC as LOG_LOSS
from models.problems import Problem, Problems
from models.sentences import Sentence, message_of, restored, sentence
from tests.support.gateway.trainings import event
from tests.support.nightly import nightly
from tests.support.told_files import nodes_of, sentence_templates, told_files

CHINESE, ENGLISH = dashboard_texts("zh"), dashboard_texts("en")
PLACEHOLDER = re.compile(r"{(\w+)(?::([^}]*))?}")
# The position of the message among the arguments of what makes or reports one.
MESSAGES = {
    "Problem": 1,
    "single_problem": 1,
    "TrainingFileInvalid": 0,
    "_invalid": 1,
    "unsupported_setting": 0,
    "progress": 0,
    "report": 0,
    "HoursInvalid": 0,
    "OwnConceptsInvalid": 0,
    "PictureInvalid": 0,
    "TagInvalid": 0,
    "CostsInvalid": 1,
    "TooFewValues": 0,
    "TermsInvalid": 0,
    "PriceInvalid": 0,
    "PackInvalid": 0,
    "CreditPolicyInvalid": 0,
    "_require": 2,
}
# Files whose problems no training has: of evaluations, of the catalog, of the arguments of a text.
# The connector reports to its log, and a conversion has problems of the arguments of a text.
OTHERS = ("evaluation/", "catalog/", "arguments/", "routing/", "plant/connector/")
NO_FIXES = ("catalog/", "arguments/", "routing/", "plant/predictions/conversion")
# Of the files in billing/, those that read what operators publish.
PUBLISHED = ("billing/rating/", "billing/prepaid/pack_offers", "billing/credit/polic")


def templates() -> list[str]:
    return sorted({one for file in told_files() for one in sentence_templates(file)})


def values_for(template: str) -> dict[str, Any]:
    """Values for a template: whole numbers where they have a format, else texts."""
    return {name: 7 if spec else f"<{name}>" for name, spec in PLACEHOLDER.findall(template)}


@nightly
def test_each_message_is_filled_in_chinese() -> None:
    all_templates = templates()
    assert len(all_templates) > 300
    for template in all_templates:
        values = values_for(template)
        told = sentence(template, **values)
        (line,) = read_log([event(told)], CHINESE)
        assert not line.is_english, template
        assert all(str(value) in line.text for value in values.values()), template
        assert line.text.count("<") == told.count("<"), template
        assert read_log([event(told)], ENGLISH)[0].text == told, template


def plain_messages(file: Path) -> Iterator[int]:
    """The lines of calls that make a message of a literal, which cannot be translated."""
    for node in nodes_of(file):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            at = MESSAGES.get(name, len(node.args))
            if at < len(node.args) and isinstance(node.args[at], ast.JoinedStr | ast.Constant):
                yield node.lineno


def plain_fixes(file: Path) -> Iterator[int]:
    """The lines of problems whose `fix` is a literal."""
    for node in nodes_of(file):
        name = getattr(node.func, "id", "") if isinstance(node, ast.Call) else ""
        if isinstance(node, ast.Call) and name in ("Problem", "_problem"):
            fix = node.args[-1 if name == "_problem" else 2] if len(node.args) > 2 else None
            if isinstance(fix, ast.JoinedStr | ast.Constant):
                yield node.lineno


def test_no_fix_of_a_problem_is_a_plain_text() -> None:
    found = [
        (str(file), line)
        for file in told_files()
        if not any(one in str(file) for one in NO_FIXES)
        for line in plain_fixes(file)
    ]
    assert found == []


def test_no_message_of_a_training_is_a_plain_text() -> None:
    found = [
        (str(file), line)
        for file in told_files()
        if not any(one in str(file) for one in OTHERS)
        if "/billing/" not in str(file) or any(one in str(file) for one in PUBLISHED)
        for line in plain_messages(file)
    ]
    assert found == []


@pytest.mark.parametrize("code", sorted(REASONS))
def test_reason_of_an_error_by_its_code_is_chinese(code: str) -> None:
    error = AppError("The text of a call.")
    error.code = code
    reason = reason_of(error)
    assert reason == error.message
    assert translate_message(reason, CHINESE) == CHINESE.gettext(REASONS[code].template) != reason


@pytest.mark.parametrize("error", [BudgetExhausted, CreditExhausted, UpstreamFailed])
def test_codes_of_the_errors_of_jobs_are_known(error: type[AppError]) -> None:
    assert error.code in REASONS


def test_reason_of_an_error_with_a_sentence_is_that_sentence() -> None:
    told = sentence("The tag is empty.")
    assert message_of(TrainingFileInvalid(told)) is told
    assert reason_of(TrainingFileInvalid(told)) is told
    assert message_of(ValueError()) == ""


def test_problems_are_summed_up_in_chinese() -> None:
    problems = Problems()
    for _ in range(3):
        problems.add(Problem("empty_file", sentence("The file has no line."), "Write one."))
    assert problems.summary == "The file has no line. There are 2 more problems."
    assert translate_message(problems.summary, CHINESE) == "文件中没有内容。另有 2 个问题。"
    assert type(problems.shown[0].as_json()["message"]) is str


def test_error_of_a_training_process_keeps_its_sentence() -> None:
    told = sentence("Line {number}: {error}", number=3, error=TrainingFileInvalid("x"))
    sent = TrainingError(str(told), sentence=told.as_json())
    received = to_specialist_error(sent)
    assert received.message == told
    assert translate_message(reason_of(received), CHINESE) == "第 3 行：x"
    assert to_specialist_error(TrainingError("Old.")).message == "Old."


def test_sentence_with_parts_is_restored() -> None:
    told = sentence(
        "{where}: {error}", where=sentence("In all normal rows"), error=sentence("is empty")
    )
    assert restored(str(told), told.as_json()).as_json() == told.as_json()


def test_reason_of_a_failed_job_is_translated_by_its_event() -> None:
    reason = sentence("The tag is empty.")
    ended = event(sentence("{reason} The job is not billed.", reason=reason), "error")
    shown = read_reason(str(reason), [ended, event("x")], CHINESE)
    assert (shown.text, shown.is_english) == ("点名为空。", False)
    assert read_reason("Old.", [event("x", "error")], CHINESE).text == "Old."
    assert read_reason("Old.", [], CHINESE).is_english


def test_metric_in_a_message_is_translated_by_its_parts() -> None:
    told = sentence(
        "The fine-tuned model is worse than its base model on held-out examples ({metric}: "
        "{score:.4g} against {base:.4g}), so it was rejected.",
        metric="macro-F1, by machine",
        score=0.5,
        base=0.6,
    )
    assert "macro-F1，按设备" in read_log([event(told)], CHINESE)[0].text


def metrics_of_trainings() -> Iterator[str]:
    """The names of metrics that trainings state."""
    yield from ("RMSE in cycles", "share of tags with the correct first concept", LOG_LOSS)
    for package in (anomaly, failure_class, industrial_llm, tag_align):
        file = Path(str(package.__file__)).with_name("adapt.py")
        yield from re.findall(r'^METRIC = "(.+)"$', file.read_text("utf-8"), re.M)


@pytest.mark.parametrize("name", sorted(set(metrics_of_trainings())))
def test_metric_of_each_kind_has_a_chinese_name(name: str) -> None:
    assert metric_name(name, CHINESE) != name
    assert metric_name(name, ENGLISH) == name


def test_message_that_is_no_sentence_is_shown_as_it_is() -> None:
    assert translate_message("Plain.", CHINESE) == "Plain."
    assert not isinstance(message_of(ValueError("x")), Sentence)
