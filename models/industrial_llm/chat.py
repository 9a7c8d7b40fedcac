"""The dialogue of an example: instruction, text, answer, in the roles of a chat.

Owns the one form in which every task is asked, and how it varies while learning.
"""

from collections.abc import Sequence

from models.industrial_llm.examples import Example, Task, number_of
from models.industrial_llm.examples import other as other_language

Message = dict[str, str]

# Of so many examples one has its instruction in the other language, and one in the user's turn.
_OTHER_LANGUAGE, _IN_USERS_TURN = 5, 3


def asked(task: Task, example: Example, shots: Sequence[Example] = ()) -> list[Message]:
    """What the model is judged by: the task's first wording, then answered examples, then the text.

    With examples its closed list of answers is told as well; without, it has to have been learned.
    """
    instruction = task.instructions[example.language][0]
    if shots and task.labels:
        instruction = f"{instruction}\n{'; '.join(task.labels)}"
    answered = [turn for one in shots for turn in (_user(one.text), _assistant(one.answer))]
    return [*_system(instruction), *answered, _user(example.text)]


def taught(task: Task, example: Example, round: int) -> list[Message]:
    """What is learned from, its answer last. Wording, language and place of the instruction differ
    from one round over the examples to the next; same example and round, same dialogue."""
    chance = number_of(f"{round} {example.text}")
    chance, other = divmod(chance, _OTHER_LANGUAGE)
    language = other_language(example.language) if other == 0 else example.language
    chance, place = divmod(chance, _IN_USERS_TURN)
    wordings = task.instructions[language]
    wording = wordings[chance % len(wordings)]
    answer = _assistant(example.answer)
    if wording and place == 0:
        return [_user(f"{wording}\n{example.text}"), answer]
    return [*_system(wording), _user(example.text), answer]


def _system(instruction: str) -> list[Message]:
    return [{"role": "system", "content": instruction}] if instruction else []


def _user(text: str) -> Message:
    return {"role": "user", "content": text}


def _assistant(text: str) -> Message:
    return {"role": "assistant", "content": text}
