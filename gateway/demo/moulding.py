"""Example firm that pays list prices after use, and has an overdue invoice: injection moulding."""

from billing.fapiao.title_fields import TitleFields
from gateway.call.values import Operation
from gateway.demo.firms import (
    ALL_DAYS,
    AROUND_THE_CLOCK,
    FIVE_DAYS,
    OFFICE,
    CallType,
    DemoKey,
    DemoProject,
    DemoUser,
    Firm,
    RevokeKey,
)
from gateway.identity.roles import Role
from models.catalog import Task

_VISION, _PRESSES, _ENGINEERS, _OLD = "视觉检测线", "注塑机群采集", "工艺问答", "旧 SCADA 接口"
_TAX_NUMBER = "91330281MA2D5M0B2R"
_MACHINES = tuple(f"IMM-{number:02d}" for number in range(1, 13))
_ORDERS = tuple(f"YZ{{week}}{number:02d}" for number in range(1, 8))

MOULDING = Firm(
    name="余姚恒塑注塑",
    billing_name="余姚市恒塑注塑制品有限公司 (Yuyao Hengsu Moulding)",
    address="浙江省余姚市低塘街道工业功能区 27 号",
    tax_number=_TAX_NUMBER,
    billing_email="zhangwu@hengsu.example",
    credit_limit=2_400,
    users=(
        DemoUser("胡立群", "hu.liqun@hengsu.example", Role.OWNER),
        DemoUser("沈逸", "shen.yi@hengsu.example", Role.DEVELOPER),
        DemoUser("徐婷", "xu.ting@hengsu.example", Role.FINANCE),
        DemoUser("马国强", "ma.guoqiang@hengsu.example", Role.VIEWER),
    ),
    keys=(
        DemoKey(_VISION, is_near_budget=True),
        DemoKey(_PRESSES),
        DemoKey(_ENGINEERS),
        DemoKey(_OLD),
    ),
    call_types=(
        CallType(
            key=_VISION,
            operation=Operation.PREDICTIONS,
            task=Task.IMAGE_CLASSIFICATION,
            calls_per_day=70,
            units_per_call={"images": (4, 12)},
            duration_ms=(70, 420),
            hour_weights=AROUND_THE_CLOCK,
            weekday_percent=ALL_DAYS,
            tags={"machine": _MACHINES[:6], "order": _ORDERS},
        ),
        CallType(
            key=_PRESSES,
            operation=Operation.INFER,
            task=Task.ANOMALY_DETECTION,
            calls_per_day=42,
            units_per_call={"rows": (180, 520)},
            duration_ms=(8, 44),
            hour_weights=AROUND_THE_CLOCK,
            weekday_percent=ALL_DAYS,
            tags={"machine": _MACHINES},
        ),
        CallType(
            key=_PRESSES,
            operation=Operation.PREDICTIONS,
            task=Task.CALCULATION,
            weights_source="control_chart",
            calls_per_day=16,
            units_per_call={"rows": (25, 125)},
            duration_ms=(2, 12),
            hour_weights=AROUND_THE_CLOCK,
            weekday_percent=ALL_DAYS,
            tags={"machine": _MACHINES, "order": _ORDERS},
        ),
        CallType(
            key=_ENGINEERS,
            operation=Operation.CHAT,
            task=Task.TEXT_GENERATION,
            calls_per_day=14,
            units_per_call={
                "input_tokens": (220, 1_400),
                "cached_input_tokens": (0, 200),
                "output_tokens": (60, 380),
            },
            duration_ms=(510, 4_800),
            hour_weights=OFFICE,
            weekday_percent=FIVE_DAYS,
            tags={"machine": _MACHINES},
            streamed=True,
        ),
        CallType(
            key=_OLD,
            operation=Operation.INFER,
            task=Task.ANOMALY_DETECTION,
            calls_per_day=12,
            units_per_call={"rows": (60, 60)},
            duration_ms=(8, 44),
            hour_weights=AROUND_THE_CLOCK,
            weekday_percent=ALL_DAYS,
            tags={"machine": _MACHINES[6:8]},
            active_days=19,
        ),
    ),
    actions_by_day={19: (RevokeKey(_OLD),)},
    paid_days_after_due=7,
    overdue_days=6,
    projects=(
        DemoProject(
            "注塑车间",
            (_VISION, _PRESSES),
            {"shen.yi@hengsu.example": "owner", "ma.guoqiang@hengsu.example": "member"},
        ),
    ),
    fapiao_title=TitleFields(
        "余姚市恒塑注塑制品有限公司", _TAX_NUMBER, email="zhangwu@hengsu.example"
    ),
)
