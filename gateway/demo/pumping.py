"""Example firm with an outcome contract: pump stations that pay for the electricity saved."""

from billing.fapiao.title_fields import TitleFields
from gateway.call.values import Operation
from gateway.demo.firms import (
    ALL_DAYS,
    EVEN_HOURS,
    FIVE_DAYS,
    OFFICE,
    CallType,
    DemoKey,
    DemoProject,
    DemoUser,
    Firm,
    OutcomeExample,
    RevokeKey,
)
from gateway.identity.roles import Role
from models.catalog import Task

_STATION, _CONTROL, _REPORTS, _PILOT = "泵站采集网关", "调度中心", "运营报表", "试点项目"
_TAX_NUMBER = "91330602MA2D5M0C35"
_PUMPS = ("P-101", "P-102", "P-103", "P-201", "P-202")
_CONTRACT = "pumping"

PUMPING = Firm(
    name="绍兴越城水务泵站",
    billing_name="绍兴越城水务泵站运营有限公司 (Shaoxing Yuecheng Pumping)",
    address="浙江省绍兴市越城区斗门街道闸前路 6 号",
    tax_number=_TAX_NUMBER,
    billing_email="jiesuan@yuecheng.example",
    credit_limit=8_000,
    users=(
        DemoUser("孟庆河", "meng.qinghe@yuecheng.example", Role.OWNER),
        DemoUser("方舟", "fang.zhou@yuecheng.example", Role.DEVELOPER),
        DemoUser("杜文静", "du.wenjing@yuecheng.example", Role.FINANCE),
        DemoUser("何师傅", "he.shifu@yuecheng.example", Role.VIEWER),
    ),
    keys=(
        DemoKey(_STATION),
        DemoKey(_CONTROL, is_near_budget=True),
        DemoKey(_REPORTS),
        DemoKey(_PILOT),
    ),
    call_types=(
        CallType(
            key=_STATION,
            operation=Operation.INFER,
            task=Task.ANOMALY_DETECTION,
            calls_per_day=48,
            units_per_call={"rows": (60, 180)},
            duration_ms=(7, 38),
            hour_weights=EVEN_HOURS,
            weekday_percent=ALL_DAYS,
            tags={"machine": _PUMPS, "contract": (_CONTRACT,)},
        ),
        CallType(
            key=_STATION,
            operation=Operation.PREDICTIONS,
            task=Task.CALCULATION,
            weights_source="pump_efficiency",
            calls_per_day=24,
            units_per_call={"rows": (12, 60)},
            duration_ms=(2, 8),
            hour_weights=EVEN_HOURS,
            weekday_percent=ALL_DAYS,
            tags={"machine": _PUMPS, "contract": (_CONTRACT,)},
        ),
        CallType(
            key=_CONTROL,
            operation=Operation.PREDICTIONS,
            task=Task.CALCULATION,
            weights_source="specific_energy",
            calls_per_day=24,
            units_per_call={"rows": (24, 96)},
            duration_ms=(2, 8),
            hour_weights=EVEN_HOURS,
            weekday_percent=ALL_DAYS,
            tags={"machine": _PUMPS, "station": ("斗门站", "东湖站")},
        ),
        CallType(
            key=_CONTROL,
            operation=Operation.PREDICTIONS,
            task=Task.REGRESSION,
            calls_per_day=14,
            units_per_call={"rows": (20, 80)},
            duration_ms=(6, 30),
            hour_weights=EVEN_HOURS,
            weekday_percent=ALL_DAYS,
            tags={"machine": _PUMPS, "station": ("斗门站", "东湖站")},
        ),
        CallType(
            key=_REPORTS,
            operation=Operation.CHAT,
            task=Task.TEXT_GENERATION,
            calls_per_day=9,
            units_per_call={"input_tokens": (600, 2_600), "output_tokens": (120, 640)},
            duration_ms=(900, 6_400),
            hour_weights=OFFICE,
            weekday_percent=FIVE_DAYS,
            tags={"station": ("斗门站", "东湖站")},
            streamed=True,
        ),
        CallType(
            key=_PILOT,
            operation=Operation.PREDICTIONS,
            task=Task.CALCULATION,
            weights_source="pump_affinity",
            calls_per_day=6,
            units_per_call={"rows": (1, 24)},
            duration_ms=(2, 8),
            hour_weights=OFFICE,
            weekday_percent=FIVE_DAYS,
            tags={"machine": _PUMPS[:1], "station": ("斗门站",)},
            active_days=13,
        ),
    ),
    actions_by_day={13: (RevokeKey(_PILOT),)},
    paid_days_after_due=-9,
    outcome_contract=OutcomeExample(
        tag=_CONTRACT,
        sensor="供电公司关口表 No. 33-0719",
        base_kwh=420.0,
        kwh_per_m3=0.31,
        daily_m3=(10_800, 14_600),
        savings_fraction=0.09,
        allowances={
            (Task.ANOMALY_DETECTION, ""): 260_000,
            (Task.CALCULATION, "pump_efficiency"): 40_000,
        },
        objection="当月 11 日起 P-103 停机检修 9 天，节电与模型无关，请剔除后重算。",
        answer="P-103 停机期间流量由 P-102 承担，单位电耗的基准已按流量折算；关口表读数附后。",
    ),
    projects=(
        DemoProject(
            "调度",
            (_CONTROL, _REPORTS),
            {"fang.zhou@yuecheng.example": "owner", "he.shifu@yuecheng.example": "member"},
        ),
    ),
    fapiao_title=TitleFields(
        "绍兴越城水务泵站运营有限公司", _TAX_NUMBER, "special", email="jiesuan@yuecheng.example"
    ),
)
