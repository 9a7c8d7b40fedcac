"""What a text holds: figures, codes, people, intervals, reasons, permissions and places."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from models.grounding.expectation import states_amount
from models.grounding.figures import find_codes, find_figures
from models.grounding.words import compact
from models.line_reader.judging.concepts import Concepts
from models.line_reader.judging.words import content_words, is_mostly_chinese

_SURNAMES = (
    "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦尤许何吕施张孔曹严华金魏陶姜戚谢邹喻柏窦章苏潘葛奚范彭郎鲁韦昌马苗"
    "凤方俞任袁柳鲍史唐费廉岑薛雷贺倪汤滕殷罗毕郝邬安常乐于傅皮卞齐康伍余元卜顾孟黄和穆萧尹姚邵湛汪祁毛禹狄"
    "米贝明计成戴谈宋庞熊纪舒屈项祝董梁杜阮蓝闵席季麻强贾路娄江童颜郭梅林钟徐邱骆高夏蔡田樊胡凌霍虞万柯管卢莫"
    "房丁邓洪包石崔吉龚程邢裴陆荣翁荀羊惠甄曲封储靳焦牧山谷车侯全班仰秋仲伊宫宁仇栾甘厉武符刘景詹束龙叶幸司韶"
    "黎蓟薄印宿白怀蒲从索赖卓蔺屠蒙池乔阴佟闻莘党翟谭贡劳姬申扶堵冉宰郦雍桑桂牛寿通边扈燕冀尚农温别庄晏柴瞿阎充"
    "慕连茹习艾鱼容向古易慎戈廖庾终暨居衡步都耿满弘匡国文寇广禄阙东欧关简覃"
)
_PERSON = re.compile(
    r"(?<![A-Za-z.])[A-Z][a-z]+ [A-Z][a-z]+(?![A-Za-z])|(?:Mr|Ms|Mrs|Dr)\.? [A-Z]|"
    f"(?:由|找|是|：|:|、|，|和|归|报|员|长|理|管|人|任|工|师|给|; )[{_SURNAMES}]"
    "[\u4e00-\u9fff]{1,2}(?![\u4e00-\u9fff]?[机泵阀器罐])"
)
# Each is looked for in a line where the question asks for it.
_KINDS: Mapping[str, re.Pattern[str]] = MappingProxyType(
    {
        name: re.compile(pattern, re.IGNORECASE)
        for name, pattern in (
            (
                "role",
                "经理|主任|班长|厂长|工程师|主管|组长|线长|师傅|库管员|保管员|操作[工员]|安全员|化验室|外协|采购|"
                "车间|员工|仓库|设备科|安环部|技术员|值班|电工|机修|"
                "supervisor|manager|engineer|foreman|"
                "technician|operator|team|officer|laborator|department|leader|planner|storekeeper|"
                "purchasing|electrician|fitter|contractor|service|inspector|owner|clerk|nurse",
            ),
            (
                "interval",
                r"每(?:隔)?\s?(?:\d|[一二三四五六七八九十半两]|天|日|周|月|季|年|班|次|小时)|一次|周期|monthly|"
                r"weekly|daily|yearly|annual|every|each (?:day|week|month|shift|year)|once a|twice|"
                r"per (?:day|week|month|year)|after \d|\d+ ?(?:h|hours|小时)",
            ),
            (
                "reason",
                "因为|由于|多半|导致|引起|以免|否则|会把|会使|造成|说明|防止|常见|"
                "because|due to|cause|otherwise|"
                "so that|usually|mostly|means|caused|would|：|:",
            ),
            (
                "permission",
                "不得|禁止|不能|不许|不准|严禁|不要|不可|允许|可以|必须|must|not|never|forbid|allow|may|only|"
                "只能|仅",
            ),
            (
                "place",
                "库位|位置|放|存|柜|架|区|库|室|处|门|旁|in the|at the|shelf|store|"
                r"cabinet|room|bay|location|place|behind|next to|left|right|[甲乙丙丁A-H]-?\d",
            ),
            (
                "order",
                "先|再|然后|把|按|拧|关|开|查|换|联系|报|停|用|first|then|press|turn|check|clean|replace|set|call|"
                "open|close|hold|wait|let|put|switch",
            ),
            ("phone", r"\d{4}"),
            ("money", r"元|[$€¥£]|euro|dollar|pound|%"),
        )
    }
)


@dataclass(frozen=True, slots=True)
class TextFacts:
    """What a text holds. `kinds` are names such as `interval` and `person`."""

    text: str
    concepts: frozenset[str]
    words: frozenset[str]
    codes: frozenset[str]
    units: frozenset[str]
    has_figure: bool
    has_amount: bool
    is_chinese: bool
    kinds: frozenset[str]


def describe_text(concepts: Concepts, text: str) -> TextFacts:
    """Return what a text holds."""
    figures = find_figures(text)
    kinds = {name for name, pattern in _KINDS.items() if pattern.search(text)}
    if _PERSON.search(text):
        kinds.add("person")
    return TextFacts(
        text=text,
        concepts=concepts.find(text),
        words=content_words(text),
        codes=frozenset(map(compact, find_codes(text))),
        units=frozenset(figure.unit for figure in figures if figure.unit is not None),
        has_figure=bool(figures),
        has_amount=states_amount(text),
        is_chinese=is_mostly_chinese(text),
        kinds=frozenset(kinds),
    )
