"""Example firm with a subscription: a machining shop (failure prediction, work order chat)."""

from billing.fapiao.title_fields import TitleFields
from gateway.call.values import Operation
from gateway.demo.firms import (
    FIVE_DAYS,
    OFFICE,
    SIX_DAYS,
    TWO_SHIFTS,
    CallType,
    DemoKey,
    DemoProject,
    DemoUser,
    Firm,
    IssueCreditNote,
    RevokeKey,
    RotateKey,
    Subscribe,
    TopUp,
)
from gateway.identity.roles import Role
from models.catalog import Task

_EDGE, _MES, _QUALITY, _TRIAL = "一车间边缘网关", "MES 工单助手", "质检工位", "供应商联调（临时）"
_TAX_NUMBER = "91330203MA2D5M0A1N"
_MACHINES = tuple(f"CNC-{number:02d}" for number in range(1, 9))
_ORDERS = tuple(f"HS-{{week}}-{number:02d}" for number in range(1, 6))

MACHINING = Firm(
    name="宁波海曙精密机械",
    billing_name="宁波海曙精密机械有限公司 (Ningbo Haishu Precision)",
    address="浙江省宁波市海曙区望春工业园区杉杉路 118 号",
    tax_number=_TAX_NUMBER,
    billing_email="caiwu@haishu.example",
    credit_limit=3_000,
    users=(
        DemoUser("王海涛", "wang.haitao@haishu.example", Role.OWNER),
        DemoUser("陈思远", "chen.siyuan@haishu.example", Role.DEVELOPER),
        DemoUser("李雪梅", "li.xuemei@haishu.example", Role.FINANCE),
        DemoUser("周建国", "zhou.jianguo@haishu.example", Role.VIEWER),
        DemoUser("赵敏", "zhao.min@haishu.example", Role.DEVELOPER, has_joined=False),
    ),
    keys=(DemoKey(_EDGE), DemoKey(_MES), DemoKey(_QUALITY, is_near_budget=True), DemoKey(_TRIAL)),
    call_types=(
        CallType(
            key=_EDGE,
            operation=Operation.PREDICTIONS,
            task=Task.CLASSIFICATION,
            calls_per_day=46,
            units_per_call={"rows": (60, 240)},
            duration_ms=(4, 19),
            hour_weights=TWO_SHIFTS,
            weekday_percent=SIX_DAYS,
            tags={"machine": _MACHINES, "order": _ORDERS},
        ),
        CallType(
            key=_EDGE,
            operation=Operation.PREDICTIONS,
            task=Task.REGRESSION,
            calls_per_day=9,
            units_per_call={"rows": (8, 40)},
            duration_ms=(6, 31),
            hour_weights=TWO_SHIFTS,
            weekday_percent=SIX_DAYS,
            tags={"machine": _MACHINES},
        ),
        CallType(
            key=_MES,
            operation=Operation.CHAT,
            task=Task.TEXT_GENERATION,
            calls_per_day=32,
            units_per_call={
                "input_tokens": (180, 900),
                "cached_input_tokens": (0, 160),
                "output_tokens": (40, 260),
            },
            duration_ms=(420, 3_900),
            hour_weights=OFFICE,
            weekday_percent=FIVE_DAYS,
            tags={"order": _ORDERS},
            streamed=True,
        ),
        CallType(
            key=_QUALITY,
            operation=Operation.PREDICTIONS,
            task=Task.CALCULATION,
            weights_source="process_capability",
            calls_per_day=7,
            units_per_call={"rows": (50, 125)},
            duration_ms=(2, 9),
            hour_weights=TWO_SHIFTS,
            weekday_percent=SIX_DAYS,
            tags={"order": _ORDERS},
        ),
        CallType(
            key=_QUALITY,
            operation=Operation.PREDICTIONS,
            task=Task.IMAGE_CLASSIFICATION,
            calls_per_day=12,
            units_per_call={"images": (1, 6)},
            duration_ms=(60, 310),
            hour_weights=TWO_SHIFTS,
            weekday_percent=SIX_DAYS,
            tags={"machine": _MACHINES[:3], "order": _ORDERS},
        ),
        CallType(
            key=_TRIAL,
            operation=Operation.PREDICTIONS,
            task=Task.CLASSIFICATION,
            calls_per_day=5,
            units_per_call={"rows": (1, 12)},
            duration_ms=(4, 19),
            hour_weights=OFFICE,
            weekday_percent=FIVE_DAYS,
            tags={"machine": _MACHINES[:1]},
            active_days=24,
        ),
    ),
    actions_by_day={
        0: (Subscribe("demo_starter"),),
        16: (TopUp(200_00, "招商银行回单 0817"),),
        24: (RevokeKey(_TRIAL),),
        34: (IssueCreditNote(30_00, "预测服务中断 40 分钟的补偿"),),
        41: (Subscribe("demo_growth"),),
        52: (RotateKey(_MES),),
    },
    paid_days_after_due=-18,
    has_plant=True,
    projects=(
        DemoProject(
            "一车间",
            (_EDGE, _TRIAL),
            {"chen.siyuan@haishu.example": "owner", "zhou.jianguo@haishu.example": "member"},
        ),
        DemoProject("质检", (_QUALITY,), {"chen.siyuan@haishu.example": "owner"}),
    ),
    fapiao_title=TitleFields(
        "宁波海曙精密机械有限公司", _TAX_NUMBER, "special", email="caiwu@haishu.example"
    ),
)
