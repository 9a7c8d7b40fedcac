"""Render a task's example as chat messages: instruction, text and answer.

Evaluation uses one fixed form. Training varies the wording, language and place of the instruction.
"""

from collections.abc import Sequence

from models.industrial_llm.examples import Example, Task, other_language, stable_hash

Message = dict[str, str]

# One in so many examples has its instruction in the other language; one in so many has it in the
# user message instead of the system message.
_OTHER_LANGUAGE_PERIOD, _USER_TURN_PERIOD = 5, 3


def evaluation_messages(
    task: Task, example: Example, shots: Sequence[Example] = ()
) -> list[Message]:
    """Render an example for evaluation: instruction, answered examples (`shots`), then the text.

    With `shots` the instruction also lists the task's labels; without, the model must have been
    trained on them.
    """
    instruction = task.instructions[example.language][0]
    if shots and task.labels:
        instruction = f"{instruction}\n{'; '.join(task.labels)}"
    shot_messages = [
        message
        for shot in shots
        for message in (user_message(shot.text), assistant_message(shot.answer))
    ]
    return [*_system_messages(instruction), *shot_messages, user_message(example.text)]


def training_messages(task: Task, example: Example, epoch: int) -> list[Message]:
    """Render an example for training, varied by `epoch`, with the answer as the last message.

    Wording, language and place of the instruction vary by epoch. The same example and epoch give
    the same messages.
    """
    hash_value = stable_hash(f"{epoch} {example.text}")
    hash_value, language_choice = divmod(hash_value, _OTHER_LANGUAGE_PERIOD)
    language = other_language(example.language) if language_choice == 0 else example.language
    hash_value, turn_choice = divmod(hash_value, _USER_TURN_PERIOD)
    wordings = task.instructions[language]
    wording = wordings[hash_value % len(wordings)]
    answer = assistant_message(example.answer)
    if wording and turn_choice == 0:
        return [user_message(f"{wording}\n{example.text}"), answer]
    return [*_system_messages(wording), user_message(example.text), answer]


def _system_messages(instruction: str) -> list[Message]:
    """Return the instruction as a system message; no message if it is empty."""
    return [{"role": "system", "content": instruction}] if instruction else []


def user_message(text: str) -> Message:
    """Return a user message."""
    return {"role": "user", "content": text}


def assistant_message(text: str) -> Message:
    """Return an assistant message."""
    return {"role": "assistant", "content": text}
