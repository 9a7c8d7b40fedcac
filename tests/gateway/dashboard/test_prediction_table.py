"""Tables of predictions as CSV, and uploads as instances."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from gateway.dashboard.pages.own_models.call_queue import MAX_REPEATS, CallQueue
from gateway.dashboard.pages.own_models.prediction_calls import (
    AnsweredCall,
    TableCall,
    join_answers,
    plan_calls,
    render_answers,
)
from gateway.dashboard.pages.own_models.prediction_table import (
    MAX_INSTANCES,
    Predictions,
    TableNotPredicted,
    read_answer,
    read_instances,
    render_predictions,
)
from gateway.upstream.declared_inputs import DeclaredInput
from gateway.wire.error_bodies import Refusal
from models.signature import InputInvalid
from models.tables.series_lengths import MAX_LENGTHS

TORQUE = DeclaredInput("torque", "FP32")
CURVE = (DeclaredInput("load", "FP32", length=(2, 9)), DeclaredInput("horizon", "FP32"))


def lines(*predictions: Any, labels: tuple[str, ...] = ("2",)) -> list[str]:
    return render_predictions("line", labels, predictions).decode("utf-8-sig").splitlines()


def test_prediction_is_a_line_with_its_label() -> None:
    found = lines({"class": "worn", "probability": 0.25, "reasons": ["torque", "wear"]})
    assert found == ["line,class,probability,reasons", "2,worn,0.25,torque; wear"]


def test_forecast_is_a_line_for_each_step() -> None:
    found = lines({"forecast": [1.0, 2.5], "lower": [0.5, 1.0], "level": 0.8, "outside": ""})
    assert found == [
        "line,step,forecast,lower,level,outside",
        "2,1,1,0.5,0.8,",
        "2,2,2.5,1,0.8,",
    ]


def test_numbers_have_no_exponent_and_texts_are_no_formulas() -> None:
    found = lines({"value": -0.00001234, "big": 1.5e9, "class": "=1+1"})
    assert found[1] == "2,-0.00001234,1500000000,'=1+1"


def test_line_without_a_prediction_has_its_note() -> None:
    found = render_predictions(
        "line", ("L1", "L2"), ({}, {"forecast": [1.0, 2.5]}), ("It has 3 rows.", "")
    )
    assert found.decode("utf-8-sig").splitlines() == [
        "line,step,forecast,note",
        "L1,,,It has 3 rows.",
        "L2,1,1,",
        "L2,2,2.5,",
    ]


def series(**lengths: int) -> bytes:
    rows = [f"{name},{step}" for name, length in lengths.items() for step in range(length)]
    return "\n".join(["line,load", *rows]).encode()


def answered(calls: Sequence[TableCall], *answers: Predictions | Refusal) -> list[AnsweredCall]:
    """Record the answers to the calls in turn."""
    queue = CallQueue(calls)
    for answer in answers:
        queue.record(answer)
    assert queue.next is None
    return queue.answered


class TestCalls:
    def test_machines_of_one_length_share_a_call_and_short_ones_are_named(self) -> None:
        found = read_instances(series(a=3, b=1, c=12, d=3, e=20), CURVE, "line", "2")
        calls = plan_calls("m", found)
        assert [call.positions for call in calls] == [(1, 3), (0, 2)]
        sent = [json.loads(call.body)["instances"] for call in calls]
        assert [[one["load"][0] for one in instances] for instances in sent] == [[3, 11], [0, 0]]
        answers = join_answers(found, answered(calls, [{"v": 1}, {"v": 2}], [{"v": 3}, {"v": 4}]))
        assert [one.label for one in answers] == ["a", "c", "d", "e", "b"]
        assert [one.prediction.get("v") for one in answers] == [3, 1, 4, 2, None]
        assert answers[-1].notes == ("The machine 'b' has 1 rows; the model needs the last 2.",)

    def test_rows_are_one_call(self) -> None:
        found = read_instances(b"torque\n1\n2\n3\n", (TORQUE,), "", "")
        assert [call.positions for call in plan_calls("m", found)] == [(0, 1, 2)]

    @pytest.mark.parametrize(
        ("refusal", "note"),
        [
            (
                Refusal(400, "`load` of row 1 has no value at position 2.", "instances[1][][2]"),
                "`load` of the machine 'b' has no value at position 2.",
            ),
            (
                Refusal(400, "`instances[1].load` has another type.", "instances[1].load"),
                "The machine 'b': `load` has another type.",
            ),
            (
                Refusal(400, "'load in row 1' in row 1, value 0 (-9) is below 0.", "load", 1, 0),
                "'load in row 1' in line 5 (-9) is below 0.",
            ),
            (
                Refusal(400, "'time' in row 1 has times that are not 1 hour apart.", "time", 1),
                "'time' of the machine 'b' has times that are not 1 hour apart.",
            ),
            (
                Refusal(400, "Row 1 has no value in its last 3 steps.", "inputs", 1),
                "The machine 'b' has no value in its last 3 steps.",
            ),
        ],
    )
    def test_refused_machine_is_left_out_and_the_others_are_predicted(
        self, refusal: Refusal, note: str
    ) -> None:
        found = read_instances(series(a=3, b=3, c=3, d=2), CURVE, "line", "2")
        queue = CallQueue(plan_calls("m", found))
        queue.record(refusal)
        assert queue.next is not None
        assert json.loads(queue.next.body) == {
            "model": "m",
            "instances": [{"load": [0.0, 1.0, 2.0], "horizon": 2.0}] * 2,
            "units": {},
        }
        queue.record([{"v": 1}, {"v": 3}])
        queue.record([{"v": 4}])
        assert queue.next is None
        answers = join_answers(found, queue.answered)
        assert [one.label for one in answers] == ["a", "b", "c", "d"]
        assert [one.prediction.get("v") for one in answers] == [1, None, 3, 4]
        assert [one.notes for one in answers] == [(), (note,), (), ()]

    @pytest.mark.parametrize(
        "refusal",
        [
            Refusal(400, "'load' is in an unknown unit.", "units"),
            Refusal(400, "'load' in row 7 is below 0.", "load", 7),
            Refusal(400, "'load' in row 1 is below 0.", "load"),
            Refusal(503, "Row 1 failed.", None, 1),
        ],
    )
    def test_call_of_which_no_machine_is_refused_alone_is_not_repeated(
        self, refusal: Refusal
    ) -> None:
        found = read_instances(series(a=3, b=3), CURVE, "line", "2")
        assert len(answered(plan_calls("m", found), refusal)) == 1

    def test_call_of_refused_rows_is_not_repeated(self) -> None:
        found = read_instances(b"torque\n1\n2\n3\n", (TORQUE,), "", "")
        sent = answered(plan_calls("m", found), Refusal(400, "Row 1 has no value.", "inputs", 1))
        with pytest.raises(TableNotPredicted, match=r"^Line 3 has no value\.$"):
            join_answers(found, sent)

    def test_calls_are_repeated_a_limited_number_of_times(self) -> None:
        machines = {f"m{number}": 3 for number in range(MAX_REPEATS + 5)}
        found = read_instances(series(**machines), CURVE, "line", "2")
        refusals = [Refusal(400, "'load' in row 0 is below 0.", "load", 0)] * (MAX_REPEATS + 1)
        sent = answered(plan_calls("m", found), *refusals)
        assert [len(call.positions) for call, _ in sent] == [1] * MAX_REPEATS + [5]

    def test_unused_column_that_is_nearly_an_optional_input_is_noted_in_the_first_line(
        self,
    ) -> None:
        inputs = (TORQUE, DeclaredInput("temperature", "FP32", optional=True))
        found = read_instances(b"torque,temprature\n1,70\n2,80\n", inputs, "", "")
        answers = join_answers(found, answered(plan_calls("m", found), [{"v": 1}, {"v": 2}]))
        content = render_answers("", answers, str).decode("utf-8-sig")
        assert content.splitlines() == [
            "line,v,note",
            "2,1,\"The table has no column 'temperature', and its column 'temprature' is not used: "
            'if they are the same, rename it."',
            "3,2,",
        ]

    def test_error_of_a_call_is_the_note_of_its_machines(self) -> None:
        found = read_instances(series(a=3, b=2), CURVE, "line", "2")
        sent = answered(plan_calls("m", found), [{"v": 1}], Refusal(400, "There is a gap."))
        answers = join_answers(found, sent)
        assert [(one.prediction, one.notes) for one in answers] == [
            ({"v": 1}, ()),
            ({}, ("There is a gap.",)),
        ]

    def test_table_without_any_answer_is_an_error(self) -> None:
        found = read_instances(series(a=3, b=2), CURVE, "line", "2")
        refusals = (Refusal(402, "The credit is used up."), Refusal(429, "Later."))
        with pytest.raises(TableNotPredicted, match="credit is used up"):
            join_answers(found, answered(plan_calls("m", found), *refusals))

    def test_no_call_follows_a_server_error_which_is_the_note_of_all_later_machines(self) -> None:
        found = read_instances(series(a=5, b=4, c=3, d=2), CURVE, "line", "2")
        sent = answered(plan_calls("m", found), [{"v": 1}], Refusal(503, "It is busy."))
        assert [(one.prediction, one.notes) for one in join_answers(found, sent)] == [
            ({"v": 1}, ()),
            *[({}, ("It is busy.",))] * 3,
        ]

    def test_machines_of_many_lengths_are_shortened_to_share_calls(self) -> None:
        lengths = {f"m{length}": length for length in range(2, 2 + 2 * MAX_LENGTHS)}
        inputs = (DeclaredInput("load", "FP32", length=(2, 1000)),)
        found = read_instances(series(**lengths), inputs, "line", "")
        calls = plan_calls("m", found)
        assert len(calls) == MAX_LENGTHS
        answers = join_answers(found, answered(calls, *[[{"v": 1}] * 2] * MAX_LENGTHS))
        assert [one.label for one in answers] == list(lengths)
        assert [one.notes for one in answers[:2]] == [
            (),
            ("Predicted from the last 2 of 3 rows.",),
        ]


def test_horizon_is_in_every_instance() -> None:
    found = read_instances(b"load\n1\n2\n3\n", CURVE, "", "24")
    assert found.instances == ({"load": [1.0, 2.0, 3.0], "horizon": 24.0},)


@pytest.mark.parametrize("horizon", ["", "0", "x", "1.5", "99999"])
def test_forecast_without_a_valid_horizon_is_rejected(horizon: str) -> None:
    with pytest.raises(InputInvalid, match="how many steps") as failed:
        read_instances(b"load\n1\n2\n3\n", CURVE, "", horizon)
    assert failed.value.param == "horizon"


def test_table_with_too_many_rows_is_rejected() -> None:
    content = b"torque\n" + b"1\n" * (MAX_INSTANCES + 1)
    with pytest.raises(InputInvalid, match="20,000 rows"):
        read_instances(content, (TORQUE,), "", "")


def test_error_of_the_call_is_read_with_its_field() -> None:
    body = b'{"error": {"message": "It is wrong.", "param": "instances[3].load", "code": "x"}}'
    assert read_answer(400, body) == Refusal(400, "It is wrong.", "instances[3].load")


def test_error_of_a_model_is_read_with_its_row_and_value() -> None:
    body = b'{"error": {"message": "It is wrong.", "param": "load", "row": 3, "value": 0}}'
    assert read_answer(400, body) == Refusal(400, "It is wrong.", "load", 3, 0)


def test_error_of_the_open_inference_protocol_is_read() -> None:
    body = b'{"error": "It is wrong.", "param": "load", "row": -1, "value": "x"}'
    assert read_answer(400, body) == Refusal(400, "It is wrong.", "load")


def test_error_page_of_a_proxy_is_an_error_with_its_status() -> None:
    answer = read_answer(502, b"<html>Bad gateway</html>")
    assert answer == Refusal(502, "The gateway responded with status 502.")
