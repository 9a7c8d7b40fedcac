"""An operator of pump stations that pays by the effect: a part of the electricity that is saved for
the same water. Owns its data only."""

from gateway.call.values import Operation
from gateway.demo.firms import (
    ALL_DAYS,
    EVEN_HOURS,
    FIVE_DAYS,
    OFFICE,
    Effect,
    Firm,
    Key,
    RevokesKey,
    Somebody,
    Work,
)
from gateway.identity.roles import Role
from models.catalog import Task

_STATION, _CONTROL, _REPORTS, _PILOT = "泵站采集网关", "调度中心", "运营报表", "试点项目"
_PUMPS = ("P-101", "P-102", "P-103", "P-201", "P-202")
_CONTRACT = "pumping"

PUMPING = Firm(
    name="绍兴越城水务泵站",
    billing_name="绍兴越城水务泵站运营有限公司 (Shaoxing Yuecheng Pumping)",
    address="浙江省绍兴市越城区斗门街道闸前路 6 号",
    tax_number="91330602MA2DEMO03X",
    billing_email="jiesuan@yuecheng.example",
    credit=8_000,
    people=(
        Somebody("孟庆河", "meng.qinghe@yuecheng.example", Role.OWNER),
        Somebody("方舟", "fang.zhou@yuecheng.example", Role.DEVELOPER),
        Somebody("杜文静", "du.wenjing@yuecheng.example", Role.FINANCE),
        Somebody("何师傅", "he.shifu@yuecheng.example", Role.VIEWER),
    ),
    keys=(Key(_STATION), Key(_CONTROL, near_cap=True), Key(_REPORTS), Key(_PILOT)),
    works=(
        Work(
            key=_STATION,
            operation=Operation.INFER,
            task=Task.ANOMALY_DETECTION,
            a_day=48,
            units={"rows": (60, 180)},
            ms=(7, 38),
            hours=EVEN_HOURS,
            weekdays=ALL_DAYS,
            tags={"machine": _PUMPS, "contract": (_CONTRACT,)},
        ),
        Work(
            key=_STATION,
            operation=Operation.PREDICTIONS,
            task=Task.CALCULATION,
            source="pump_efficiency",
            a_day=24,
            units={"rows": (12, 60)},
            ms=(2, 8),
            hours=EVEN_HOURS,
            weekdays=ALL_DAYS,
            tags={"machine": _PUMPS, "contract": (_CONTRACT,)},
        ),
        Work(
            key=_CONTROL,
            operation=Operation.PREDICTIONS,
            task=Task.CALCULATION,
            source="specific_energy",
            a_day=24,
            units={"rows": (24, 96)},
            ms=(2, 8),
            hours=EVEN_HOURS,
            weekdays=ALL_DAYS,
            tags={"machine": _PUMPS, "station": ("斗门站", "东湖站")},
        ),
        Work(
            key=_CONTROL,
            operation=Operation.PREDICTIONS,
            task=Task.REGRESSION,
            a_day=14,
            units={"rows": (20, 80)},
            ms=(6, 30),
            hours=EVEN_HOURS,
            weekdays=ALL_DAYS,
            tags={"machine": _PUMPS, "station": ("斗门站", "东湖站")},
        ),
        Work(
            key=_REPORTS,
            operation=Operation.CHAT,
            task=Task.TEXT_GENERATION,
            a_day=9,
            units={"input_tokens": (600, 2_600), "output_tokens": (120, 640)},
            ms=(900, 6_400),
            hours=OFFICE,
            weekdays=FIVE_DAYS,
            tags={"station": ("斗门站", "东湖站")},
            streamed=True,
        ),
        Work(
            key=_PILOT,
            operation=Operation.PREDICTIONS,
            task=Task.CALCULATION,
            source="pump_affinity",
            a_day=6,
            units={"rows": (1, 24)},
            ms=(2, 8),
            hours=OFFICE,
            weekdays=FIVE_DAYS,
            tags={"machine": _PUMPS[:1], "station": ("斗门站",)},
            days=13,
        ),
    ),
    happens={13: (RevokesKey(_PILOT),)},
    paid_after=-9,
    effect=Effect(
        tag=_CONTRACT,
        sensor="供电公司关口表 No. 33-0719",
        base_kwh=420.0,
        kwh_per_m3=0.31,
        m3=(10_800, 14_600),
        saved=0.09,
        covered={
            (Task.ANOMALY_DETECTION, ""): 260_000,
            (Task.CALCULATION, "pump_efficiency"): 40_000,
        },
        objection="当月 11 日起 P-103 停机检修 9 天，节电与模型无关，请剔除后重算。",
        answer="P-103 停机期间流量由 P-102 承担，单位电耗的基线已按流量折算；关口表读数附后。",
    ),
)
