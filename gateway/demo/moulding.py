"""An injection moulder that uses first and pays later, by the list, and is late with it. Owns its
data only."""

from gateway.call.values import Operation
from gateway.demo.firms import (
    ALL_DAYS,
    AROUND_THE_CLOCK,
    FIVE_DAYS,
    OFFICE,
    Firm,
    Key,
    RevokesKey,
    Somebody,
    Work,
)
from gateway.identity.roles import Role
from models.catalog import Task

_VISION, _PRESSES, _ENGINEERS, _OLD = "视觉检测线", "注塑机群采集", "工艺问答", "旧 SCADA 接口"
_MACHINES = tuple(f"IMM-{number:02d}" for number in range(1, 13))
_ORDERS = tuple(f"YZ{{week}}{number:02d}" for number in range(1, 8))

MOULDING = Firm(
    name="余姚恒塑注塑",
    billing_name="余姚市恒塑注塑制品有限公司 (Yuyao Hengsu Moulding)",
    address="浙江省余姚市低塘街道工业功能区 27 号",
    tax_number="91330281MA2DEMO02X",
    billing_email="zhangwu@hengsu.example",
    credit=2_400,
    people=(
        Somebody("胡立群", "hu.liqun@hengsu.example", Role.OWNER),
        Somebody("沈逸", "shen.yi@hengsu.example", Role.DEVELOPER),
        Somebody("徐婷", "xu.ting@hengsu.example", Role.FINANCE),
        Somebody("马国强", "ma.guoqiang@hengsu.example", Role.VIEWER),
    ),
    keys=(Key(_VISION, near_cap=True), Key(_PRESSES), Key(_ENGINEERS), Key(_OLD)),
    works=(
        Work(
            key=_VISION,
            operation=Operation.PREDICTIONS,
            task=Task.IMAGE_CLASSIFICATION,
            a_day=70,
            units={"images": (4, 12)},
            ms=(70, 420),
            hours=AROUND_THE_CLOCK,
            weekdays=ALL_DAYS,
            tags={"machine": _MACHINES[:6], "order": _ORDERS},
        ),
        Work(
            key=_PRESSES,
            operation=Operation.INFER,
            task=Task.ANOMALY_DETECTION,
            a_day=42,
            units={"rows": (180, 520)},
            ms=(8, 44),
            hours=AROUND_THE_CLOCK,
            weekdays=ALL_DAYS,
            tags={"machine": _MACHINES},
        ),
        Work(
            key=_PRESSES,
            operation=Operation.PREDICTIONS,
            task=Task.CALCULATION,
            source="control_chart",
            a_day=16,
            units={"rows": (25, 125)},
            ms=(2, 12),
            hours=AROUND_THE_CLOCK,
            weekdays=ALL_DAYS,
            tags={"machine": _MACHINES, "order": _ORDERS},
        ),
        Work(
            key=_ENGINEERS,
            operation=Operation.CHAT,
            task=Task.TEXT_GENERATION,
            a_day=14,
            units={
                "input_tokens": (220, 1_400),
                "cached_input_tokens": (0, 200),
                "output_tokens": (60, 380),
            },
            ms=(510, 4_800),
            hours=OFFICE,
            weekdays=FIVE_DAYS,
            tags={"machine": _MACHINES},
            streamed=True,
        ),
        Work(
            key=_OLD,
            operation=Operation.INFER,
            task=Task.ANOMALY_DETECTION,
            a_day=12,
            units={"rows": (60, 60)},
            ms=(8, 44),
            hours=AROUND_THE_CLOCK,
            weekdays=ALL_DAYS,
            tags={"machine": _MACHINES[6:8]},
            days=19,
        ),
    ),
    happens={19: (RevokesKey(_OLD),)},
    paid_after=7,
    overdue=6,
)
