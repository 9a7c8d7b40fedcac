"""The log of a training, and names of metrics, in Chinese."""

import pytest

from gateway.dashboard.i18n import dashboard_texts
from gateway.dashboard.metric_names import metric_name
from gateway.dashboard.training_log import LogLine, read_log
from models.adaptation import Metrics
from models.sentences import Sentence, describe_verdict, listing, sentence
from tests.support.gateway.trainings import event

CHINESE, ENGLISH = dashboard_texts("zh"), dashboard_texts("en")


COMPARED = sentence(
    "{metric} on rows held out {held_out}: {score:.4g} (95 % interval {low:.4g} to {high:.4g}). "
    "Without any input it would be {base:.4g}: the model is {verdict} that.",
    metric="macro-F1",
    held_out=sentence("by machine"),
    score=0.9312,
    low=0.9,
    high=0.95,
    base=0.4,
    verdict=describe_verdict(is_better=True, is_worse=False),
)


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        (
            sentence("Evaluated split {number} of {of}.", number=2, of=20),
            "已评估第 2 次划分，共 20 次。",
        ),
        (
            COMPARED,
            "按设备留出数据上的 macro-F1：0.9312（95 % 区间 0.9 至 0.95）。不使用任何输入时为 0.4："
            "模型优于该基准。",
        ),
        (
            sentence(
                "The forecast averages {methods}.",
                methods=listing(
                    [sentence("{method} {share:.0%}", method=sentence("linear"), share=0.7), "x"]
                ),
            ),
            "预测是以下方法的加权平均：线性 70%，x。",
        ),
        (Metrics(3, 40, 1.5, 2.0).sentence, "第 3 步，共 40 步，训练损失 1.500，验证损失 2.000。"),
    ],
)
def test_line_is_filled_with_the_same_values_in_chinese(message: Sentence, shown: str) -> None:
    assert read_log([event(message)], CHINESE) == [LogLine("info", shown, is_english=False)]
    assert read_log([event(message)], ENGLISH)[0].text == message


def test_message_without_template_stays_english() -> None:
    old = event("A sentence of an earlier version.", "warn")
    assert read_log([old], CHINESE) == [LogLine("warn", old.message, is_english=True)]


def test_message_whose_values_do_not_fit_stays_english() -> None:
    changed = event(sentence("Evaluated split {number} of {of}.", number=2, of=20))
    changed.sentence = {"template": "Evaluated split {number} of {of}.", "values": {"number": 2}}
    assert read_log([changed], CHINESE)[0].text == "Evaluated split 2 of 20."
    assert read_log([changed], CHINESE)[0].is_english


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("macro-F1, by machine", "macro-F1，按设备"),
        ("RMSE in µm, by time", "RMSE（µm），按时间"),
        ("MASE, 24 steps ahead, season 24", "MASE，预测 24 步，周期 24 步"),
        ("MASE, 24 steps ahead, rolling origins", "MASE，预测 24 步，滚动起点"),
        ("fault rows detected at 3.00% false alarms", "误报率 3.00% 时检出的故障行"),
        ("accuracy on held-out images, mean over labels", "留出图像上的准确率，各标签平均"),
        ("RMSE", "RMSE"),
    ],
)
def test_name_of_a_metric_is_shown_in_chinese(name: str, shown: str) -> None:
    assert metric_name(name, CHINESE) == shown
    assert metric_name(name, ENGLISH) == name
