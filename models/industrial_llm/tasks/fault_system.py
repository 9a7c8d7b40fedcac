"""A fault's system: which chapter of an aircraft it belongs to.

Owns how CAMB's hundred faults read, and our own (fault_system.tsv). A hundred are too few to hold
some out for good: they are cut into folds, and each is judged by an adapter that learned from the
other folds only.
"""

from pathlib import Path

from models.industrial_llm.examples import FOLDS, Example, Parts, Task, language_of, wordings
from models.industrial_llm.splitting import apart, folded
from models.industrial_llm.tasks.files import packed, pairs
from models.workbook import sheet

FILE = Path("camb_zh", "classification.xlsx")
CAMB = "camb_faults"
OWN = "own_faults"
LINES = Path(__file__).with_name("fault_system.tsv")
SYSTEMS = (
    "APU",
    "防冰排雨",
    "防火",
    "飞行操纵",
    "发动机滑油",
    "发动机空气系统",
    "发动机控制",
    "发动机排气",
    "发动机燃油控制",
    "发动机指示",
    "导航",
    "灯光",
    "点火",
    "电源",
    "空调",
    "门",
    "起落架",
    "燃油",
    "设备装饰",
    "通信",
    "氧气",
    "液压",
    "指示记录",
    "自动飞行",
)


def load(directory: Path, fold: int) -> Parts:
    """All faults, those of `fold` to be judged by. Raises TrainingDataMissing."""
    _, *rows = sheet(packed(directory, FILE))
    held = folded([_example(CAMB, text, system) for text, system in rows], fold, FOLDS)
    return apart(held + own())


def own() -> Parts:
    """Our own faults, which need nothing of the training sets: to learn from only."""
    return Parts(train=tuple(_example(OWN, text, system) for system, text in pairs(LINES)))


def _example(source: str, text: str, system: str) -> Example:
    return Example(TASK.name, source, language_of(text), " ".join(text.split()), system.strip())


TASK = Task(
    name="fault_system",
    load=load,
    instructions=wordings(
        ("Name the system that this fault belongs to.", "Which aircraft system has this fault?"),
        ("指出这个故障属于哪个系统。", "该故障属于飞机的哪个一级系统?"),
    ),
    labels=SYSTEMS,
    own=own,
    longest=16,
)
