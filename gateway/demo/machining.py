"""A machining shop on a subscription: it asks which machine will fail, and talks to the model about
work orders. Owns its data only."""

from gateway.call.values import Operation
from gateway.demo.firms import (
    FIVE_DAYS,
    OFFICE,
    SIX_DAYS,
    TWO_SHIFTS,
    Firm,
    IsCredited,
    Key,
    RevokesKey,
    RotatesKey,
    Somebody,
    Subscribes,
    TopsUp,
    Work,
)
from gateway.identity.roles import Role
from models.catalog import Task

_EDGE, _MES, _QUALITY, _TRIAL = "一车间边缘网关", "MES 工单助手", "质检工位", "供应商联调（临时）"
_MACHINES = tuple(f"CNC-{number:02d}" for number in range(1, 9))
_ORDERS = tuple(f"HS-{{week}}-{number:02d}" for number in range(1, 6))

MACHINING = Firm(
    name="宁波海曙精密机械",
    billing_name="宁波海曙精密机械有限公司 (Ningbo Haishu Precision)",
    address="浙江省宁波市海曙区望春工业园区杉杉路 118 号",
    tax_number="91330203MA2DEMO01X",
    billing_email="caiwu@haishu.example",
    credit=3_000,
    people=(
        Somebody("王海涛", "wang.haitao@haishu.example", Role.OWNER),
        Somebody("陈思远", "chen.siyuan@haishu.example", Role.DEVELOPER),
        Somebody("李雪梅", "li.xuemei@haishu.example", Role.FINANCE),
        Somebody("周建国", "zhou.jianguo@haishu.example", Role.VIEWER),
        Somebody("赵敏", "zhao.min@haishu.example", Role.DEVELOPER, joined=False),
    ),
    keys=(Key(_EDGE), Key(_MES), Key(_QUALITY, near_cap=True), Key(_TRIAL)),
    works=(
        Work(
            key=_EDGE,
            operation=Operation.PREDICTIONS,
            task=Task.CLASSIFICATION,
            a_day=46,
            units={"rows": (60, 240)},
            ms=(4, 19),
            hours=TWO_SHIFTS,
            weekdays=SIX_DAYS,
            tags={"machine": _MACHINES, "order": _ORDERS},
        ),
        Work(
            key=_EDGE,
            operation=Operation.PREDICTIONS,
            task=Task.REGRESSION,
            a_day=9,
            units={"rows": (8, 40)},
            ms=(6, 31),
            hours=TWO_SHIFTS,
            weekdays=SIX_DAYS,
            tags={"machine": _MACHINES},
        ),
        Work(
            key=_MES,
            operation=Operation.CHAT,
            task=Task.TEXT_GENERATION,
            a_day=32,
            units={
                "input_tokens": (180, 900),
                "cached_input_tokens": (0, 160),
                "output_tokens": (40, 260),
            },
            ms=(420, 3_900),
            hours=OFFICE,
            weekdays=FIVE_DAYS,
            tags={"order": _ORDERS},
            streamed=True,
        ),
        Work(
            key=_QUALITY,
            operation=Operation.PREDICTIONS,
            task=Task.CALCULATION,
            source="process_capability",
            a_day=7,
            units={"rows": (50, 125)},
            ms=(2, 9),
            hours=TWO_SHIFTS,
            weekdays=SIX_DAYS,
            tags={"order": _ORDERS},
        ),
        Work(
            key=_QUALITY,
            operation=Operation.PREDICTIONS,
            task=Task.IMAGE_CLASSIFICATION,
            a_day=12,
            units={"images": (1, 6)},
            ms=(60, 310),
            hours=TWO_SHIFTS,
            weekdays=SIX_DAYS,
            tags={"machine": _MACHINES[:3], "order": _ORDERS},
        ),
        Work(
            key=_TRIAL,
            operation=Operation.PREDICTIONS,
            task=Task.CLASSIFICATION,
            a_day=5,
            units={"rows": (1, 12)},
            ms=(4, 19),
            hours=OFFICE,
            weekdays=FIVE_DAYS,
            tags={"machine": _MACHINES[:1]},
            days=24,
        ),
    ),
    happens={
        0: (Subscribes("demo_starter"),),
        16: (TopsUp(200_00, "招商银行回单 0817"),),
        24: (RevokesKey(_TRIAL),),
        34: (IsCredited(30_00, "预测服务中断 40 分钟的补偿"),),
        41: (Subscribes("demo_growth"),),
        52: (RotatesKey(_MES),),
    },
    paid_after=-18,
)
