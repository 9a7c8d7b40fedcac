"""Progress as JSON lines, and the OpenAI error body."""

import io
import json

from serving.errors import ContextLengthExceeded, ModelFailed, error_body
from serving.progress import JsonLinesProgress, Stage


class TestJsonLinesProgress:
    def test_each_report_writes_a_json_line(self) -> None:
        stream = io.StringIO()
        lines = JsonLinesProgress(stream)
        lines.report(Stage.WEIGHTS, "Assembling", 0.4213)
        lines.report(Stage.READY, "Serving")
        written = [json.loads(line) for line in stream.getvalue().splitlines()]
        assert written == [
            {"stage": "weights", "message": "Assembling", "fraction": 0.421},
            {"stage": "ready", "message": "Serving", "fraction": None},
        ]

    def test_steps_below_one_percent_are_not_written(self) -> None:
        stream = io.StringIO()
        lines = JsonLinesProgress(stream)
        for step in range(10_000):
            lines.report(Stage.WEIGHTS, "Assembling", step / 10_000)
        assert len(stream.getvalue().splitlines()) == 100


class TestErrorBody:
    def test_error_has_message_type_param_and_code(self) -> None:
        assert error_body(ContextLengthExceeded("Too long.", param="input")) == {
            "error": {
                "message": "Too long.",
                "type": "invalid_request_error",
                "param": "input",
                "code": "context_length_exceeded",
            }
        }

    def test_model_failure_has_type_server_error(self) -> None:
        assert error_body(ModelFailed("Failed."))["error"]["type"] == "server_error"
