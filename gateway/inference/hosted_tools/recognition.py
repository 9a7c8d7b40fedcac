"""Which specialists a text asks for: by its words, by what it states, and by each of its sentences.

The classifier sees the whole text. If the specialist of its task lacks inputs and that of a likely
other task has all, the other one is meant. If sentences ask for different tasks, each of them is
meant whose inputs are all stated; numbers of its own sentence come first.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from gateway.collaboration.plan import Question
from gateway.collaboration.tools import SpecialistTool
from models.arguments import Extraction, extract
from models.routing.classifier import TaskPrediction
from models.routing.sentences import is_translation_request, split_sentences

Predict = Callable[[str], TaskPrediction]

# A second choice of the classifier below this confidence is noise.
_MIN_OTHER = 0.05
# Longer texts are documents, in which sentences about other tasks are no questions.
_MAX_TEXT = 2_000


def recognise(question: Question, prediction: TaskPrediction, predict: Predict) -> Question:
    """Return the question with the recognised models, and what sentences state for each."""
    if question.texts and is_translation_request(question.texts[-1]):
        return replace(question, is_text_work=True)
    task = prediction.specialist_task
    named = frozenset(tool.model for tool in question.tools if task and tool.task == task)
    first = replace(question, recognised=named)
    if not named:
        return first
    unfilled = [tool for tool in question.tools if tool.model in named and first.missing(tool)]
    newest = question.texts[-1]
    sentences = split_sentences(newest) if len(newest) <= _MAX_TEXT else ()
    several = _by_sentences(first, sentences, predict)
    if several is not None:
        return several
    if unfilled:
        other = _other_task(first, prediction.confidences)
        if other is not None:
            return replace(first, recognised=other)
    return first


def _by_sentences(
    question: Question, sentences: Sequence[str], predict: Predict
) -> Question | None:
    """Return the question if its sentences ask for several tasks, each with all of its inputs."""
    if len(sentences) < 2:
        return None
    extractions: dict[str, Extraction] = {}
    tasks: set[str | None] = set()
    for sentence in sentences:
        task = predict(sentence).specialist_task
        for tool in question.tools:
            if task is None or tool.task != task or task in tasks or len(tool.required) < 2:
                continue  # any name may be a tag
            if not any(extract((sentence,), tool.fields).rows):
                continue
            found = extract((*question.texts, sentence), tool.fields)
            if not question.missing(tool, found):
                extractions[tool.model] = found
                tasks.add(task)
    if len(tasks) < 2:
        return None
    merged = {**question.extractions, **extractions}
    return replace(question, recognised=frozenset(extractions), extractions=merged)


def _other_task(question: Question, confidences: Mapping[str, float]) -> frozenset[str] | None:
    """Return the models of the likeliest other task that have all inputs, None without one."""
    filled = [
        tool
        for tool in question.tools
        if tool.model not in question.recognised
        and tool.required
        and _confidence(tool, confidences) >= _MIN_OTHER
        and not question.missing(tool)
    ]
    if not filled:
        return None
    best = max(filled, key=lambda tool: _confidence(tool, confidences))
    return frozenset(tool.model for tool in filled if tool.task == best.task)


def _confidence(tool: SpecialistTool, confidences: Mapping[str, float]) -> float:
    """Return the classifier's probability of a tool's task, 0 for a tool without one."""
    return confidences.get(tool.task or "", 0.0)
