"""Chat messages of an example: fixed for evaluation, varied for training."""

from models.industrial_llm.chat import evaluation_messages, training_messages
from models.industrial_llm.data import TASKS
from models.industrial_llm.examples import Example

TASK = TASKS["failure_mode"]


def order(number: int = 0) -> Example:
    return Example(TASK.name, "made_up", "en", f"pump {number} leaks", "Leaking")


class TestEvaluationMessages:
    def test_messages_are_first_instruction_and_text(self) -> None:
        assert evaluation_messages(TASK, order()) == [
            {"role": "system", "content": TASK.instructions["en"][0]},
            {"role": "user", "content": "pump 0 leaks"},
        ]

    def test_few_shot_examples_add_labels_and_turns(self) -> None:
        system, *turns = evaluation_messages(TASK, order(), [order(1), order(2)])
        assert all(label in system["content"] for label in TASK.labels)
        assert [one["role"] for one in turns] == ["user", "assistant"] * 2 + ["user"]
        assert turns[1]["content"] == "Leaking"

    def test_task_without_instruction_has_only_user_message(self) -> None:
        task = TASKS["unknown"]
        question = Example(task.name, "made_up", "en", "Who did it?", "I do not know.")
        assert evaluation_messages(task, question) == [{"role": "user", "content": "Who did it?"}]


class TestTrainingMessages:
    def test_last_message_is_the_answer(self) -> None:
        assert training_messages(TASK, order(), 0)[-1] == {
            "role": "assistant",
            "content": "Leaking",
        }

    def test_same_epoch_gives_same_messages(self) -> None:
        assert training_messages(TASK, order(), 3) == training_messages(TASK, order(), 3)

    def test_instruction_wording_language_and_role_vary(self) -> None:
        dialogues = [
            training_messages(TASK, order(number), round)
            for number in range(40)
            for round in (0, 1)
        ]
        places = {tuple(turn["role"] for turn in one) for one in dialogues}
        assert places == {("system", "user", "assistant"), ("user", "assistant")}
        wordings = {one[0]["content"].splitlines()[0] for one in dialogues}
        assert wordings == {text for some in TASK.instructions.values() for text in some}

    def test_user_turn_ends_with_example_text(self) -> None:
        for number in range(40):
            turn = training_messages(TASK, order(number), 0)[-2]
            assert turn["role"] == "user"
            assert turn["content"].endswith(f"pump {number} leaks")
