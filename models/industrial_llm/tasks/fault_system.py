"""Task: classify the aircraft system (chapter) of a fault.

Reads CAMB's hundred faults and own ones (fault_system.tsv). A hundred are too few for a fixed test
set: evaluation is cross-validated, each fold by an adapter trained on the other folds.
"""

from pathlib import Path

from models.industrial_llm.examples import (
    FOLDS,
    DatasetSplit,
    Example,
    Task,
    detect_language,
    instructions_by_language,
)
from models.industrial_llm.splitting import remove_near_duplicates, split_by_fold
from models.industrial_llm.tasks.files import read_data_file, read_pairs
from models.workbook import read_first_sheet

FILE = Path("camb_zh", "classification.xlsx")
CAMB = "camb_faults"
OWN_SOURCE = "own_faults"
OWN_EXAMPLES_FILE = Path(__file__).with_name("fault_system.tsv")
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


def load(directory: Path, fold: int) -> DatasetSplit:
    """Load all faults, with CAMB's fold `fold` as the test part. Raises TrainingDataMissing."""
    _, *rows = read_first_sheet(read_data_file(directory, FILE))
    camb = split_by_fold([_to_example(CAMB, text, system) for text, system in rows], fold, FOLDS)
    return remove_near_duplicates(camb + load_project_examples())


def load_project_examples() -> DatasetSplit:
    """Load the faults written for this project, for training only, without any training set."""
    return DatasetSplit(
        train=tuple(
            _to_example(OWN_SOURCE, text, system) for system, text in read_pairs(OWN_EXAMPLES_FILE)
        )
    )


def _to_example(source: str, text: str, system: str) -> Example:
    """Create an example from a fault description and its system."""
    return Example(TASK.name, source, detect_language(text), " ".join(text.split()), system.strip())


TASK = Task(
    name="fault_system",
    load=load,
    instructions=instructions_by_language(
        ("Name the system that this fault belongs to.", "Which aircraft system has this fault?"),
        ("指出这个故障属于哪个系统。", "该故障属于飞机的哪个一级系统?"),
    ),
    labels=SYSTEMS,
    load_project_examples=load_project_examples,
    max_tokens=16,
)
