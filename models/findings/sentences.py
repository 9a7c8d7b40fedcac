"""A finding in words, composed without a language model, in English and Chinese."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from models.findings.finding import Finding, Stated, Verdict

_MAX_SHOWN = 24
_DIGITS = 4
# Names of outputs and inputs as (English, Chinese); others are shown as they are written.
_NAMES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "failure": ("failure", "故障"),
        "remaining_life": ("remaining life", "剩余寿命"),
        "is_anomaly": ("anomaly", "异常"),
        "score": ("score", "得分"),
        "fault": ("fault", "缺陷类型"),
        "class": ("class", "类别"),
        "value": ("value", "预测值"),
        "forecast": ("forecast", "预测"),
        "concept": ("concept", "概念"),
        "name": ("name", "名称"),
        "cooler": ("cooler", "冷却器"),
        "valve": ("valve", "阀"),
        "pump": ("pump", "泵"),
        "accumulator": ("accumulator", "蓄能器"),
        "basic_rating_life": ("basic rating life L10", "基本额定寿命 L10"),
        "basic_rating_time": ("L10 at this speed", "该转速下的 L10"),
        "modified_rating_life": ("modified rating life", "修正额定寿命"),
        "modified_rating_time": ("modified rating life at this speed", "该转速下的修正额定寿命"),
        "availability": ("availability", "时间开动率"),
        "effectiveness": ("performance", "性能开动率"),
        "quality_ratio": ("quality rate", "合格率"),
        "oee": ("OEE", "OEE"),
        "mean": ("mean", "均值"),
        "deviation_within": ("deviation within subgroups", "组内标准差"),
        "deviation_total": ("overall deviation", "总标准差"),
        "cp": ("Cp", "Cp"),
        "cpk": ("Cpk", "Cpk"),
        "pp": ("Pp", "Pp"),
        "ppk": ("Ppk", "Ppk"),
        "new_flow": ("new flow", "新流量"),
        "new_head": ("new head", "新扬程"),
        "new_shaft_power": ("new shaft power", "新轴功率"),
        "hydraulic_power": ("hydraulic power", "水力功率"),
        "efficiency": ("efficiency", "效率"),
        "input_power": ("input power", "输入功率"),
        "output_power": ("output power", "输出功率"),
        "specific_energy": ("specific energy", "单位产品能耗"),
        "improvement": ("improvement on the baseline", "较基准改善"),
        "beyond_3_sigma": ("beyond 3 sigma", "超出 3σ 的点"),
        "two_of_three_beyond_2_sigma": ("two of three beyond 2 sigma", "三点中两点超出 2σ"),
        "four_of_five_beyond_1_sigma": ("four of five beyond 1 sigma", "五点中四点超出 1σ"),
        "eight_on_one_side": ("eight on one side", "连续八点在同一侧"),
        "seven_on_one_side": ("seven on one side", "连续七点在同一侧"),
        "seven_rising_or_falling": ("seven rising or falling", "连续七点上升或下降"),
        "type": ("quality grade", "质量等级"),
        "air_temperature": ("air temperature", "环境温度"),
        "process_temperature": ("process temperature", "过程温度"),
        "rotational_speed": ("rotational speed", "转速"),
        "new_rotational_speed": ("new rotational speed", "新转速"),
        "torque": ("torque", "扭矩"),
        "tool_wear": ("tool wear", "刀具磨损时间"),
        "temperature_difference": ("temperature difference", "温差"),
        "power": ("power", "功率"),
        "strain": ("strain (wear × torque)", "负荷（磨损 × 扭矩）"),
        "bearing": ("bearing type", "轴承类型"),
        "dynamic_load_rating": ("basic dynamic load rating C", "基本额定动载荷 C"),
        "equivalent_load": ("dynamic equivalent load P", "当量动载荷 P"),
        "reliability": ("reliability", "可靠度"),
        "a_iso": ("life modification factor aISO", "寿命修正系数 aISO"),
        "planned_busy_time": ("planned busy time", "计划工作时间"),
        "actual_production_time": ("actual production time", "实际生产时间"),
        "planned_run_time": ("planned run time per item", "标准节拍"),
        "produced_quantity": ("produced quantity", "产量"),
        "good_quantity": ("good quantity", "合格品数量"),
        "measurements": ("measurements", "测量值"),
        "subgroup_size": ("subgroup size", "子组大小"),
        "lower_limit": ("lower specification limit", "规格下限"),
        "upper_limit": ("upper specification limit", "规格上限"),
        "confidence": ("confidence level", "置信水平"),
        "points": ("points of the chart", "控制图点值"),
        "centre": ("centre line", "中心线"),
        "deviation": ("standard deviation", "标准差"),
        "flow": ("flow", "流量"),
        "head": ("head", "扬程"),
        "shaft_power": ("shaft power", "轴功率"),
        "density": ("density", "密度"),
        "voltage": ("voltage", "电压"),
        "current": ("current", "电流"),
        "power_factor": ("power factor", "功率因数"),
        "energy": ("energy", "能耗"),
        "quantity": ("quantity produced", "产量"),
        "baseline": ("baseline", "基准"),
        "tag": ("tag", "位号"),
    }
)
# What units are called beside figures that people count.
_UNITS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {"remaining_life": ("cycles", "个循环"), "Mr": ("million revolutions", "百万转")}
)
# By output: the sentence for yes and for no, as (English, Chinese).
_DECISIONS: Mapping[str, tuple[tuple[str, str], tuple[str, str]]] = MappingProxyType(
    {
        "failure": (
            ("A failure is expected", "预计会发生故障"),
            ("No failure is expected", "预计不会发生故障"),
        ),
        "is_anomaly": (
            ("The readings are anomalous", "数据异常"),
            ("The readings are normal", "数据正常"),
        ),
        "beyond_3_sigma": (
            ("The chart signals", "控制图判为异常"),
            ("The chart gives no signal", "控制图未见异常"),
        ),
    }
)
# Texts between the parts, by language.
_PARTS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "en": {
            "end": ". ", "between": "; ", "list": ", ", "of": " ", "open": " (", "close": ")",
            "probability": "probability {value} %", "interval": "interval {lower} to {upper}",
            "positions": "points {value}", "none": "none", "more": "{count} values in all",
            "reasons": "Main reasons: {value}", "outside": "Outside the trained range: {value}. "
            "The result is uncertain", "range": "trained {value}",
            "no_answer": "The model has no answer for these inputs. The result is uncertain",
            "source": "Source: {model}, version {version}", "is": "{name}: {value}",
            "yes": "yes", "no": "no",
        },
        "zh": {
            "end": "。", "between": "；", "list": "、", "of": " ", "open": "（", "close": "）",
            "probability": "概率 {value}%", "interval": "区间 {lower} 至 {upper}",
            "positions": "第 {value} 点", "none": "无", "more": "共 {count} 个值",
            "reasons": "主要原因：{value}", "outside": "超出训练范围：{value}，结果不确定",
            "range": "训练范围 {value}", "no_answer": "模型对这些输入没有结论，结果不确定",
            "source": "来源：{model}，版本 {version}", "is": "{name}：{value}",
            "yes": "是", "no": "否",
        },
    }
)  # fmt: skip


def name_of(name: str, language: str) -> str:
    """Return the name of a column in a language, as it is written if it has none."""
    known = _NAMES.get(name)
    if known is None:
        return name
    return known[1] if language == "zh" else known[0]


def number_text(value: float) -> str:
    """Return a number with four significant digits, without an exponent or useless zeros."""
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    rounded = float(f"{value:.{_DIGITS}g}")
    return str(int(rounded)) if rounded == int(rounded) else f"{rounded:.10f}".rstrip("0")


def compose(finding: Finding, model: str, version: str, language: str) -> str:
    """Return a finding in words: verdict, figures, interval, probability, reasons and source."""
    parts = _PARTS[language]
    sentences = [*_result(finding, language)]
    if finding.reasons:
        names = [name_of(one, language) for one in finding.reasons]
        sentences.append(parts["reasons"].format(value=parts["list"].join(names)))
    if finding.outside:
        sentences.append(_outside(finding, language))
    elif finding.verdict is Verdict.UNCERTAIN:
        sentences.append(parts["no_answer"])
    sentences.append(parts["source"].format(model=model, version=version))
    return "".join(f"{one}{parts['end']}" for one in sentences).strip()


def _result(finding: Finding, language: str) -> Sequence[str]:
    """Return the sentences of verdict and figures."""
    parts = _PARTS[language]
    figures = list(finding.figures)
    if finding.decided is Verdict.UNCERTAIN or not figures:
        return []
    head = ""
    if finding.decided in (Verdict.YES, Verdict.NO):
        head = _decision(figures[0].name, finding.decided, language)
        if not isinstance(figures[0].value, tuple):
            figures = figures[1:]
    if finding.decided is Verdict.LABEL:
        head = parts["is"].format(
            name=name_of(figures[0].name, language), value=_value(figures[0], language)
        )
        figures = figures[1:]
    if finding.probability is not None and head:
        probability = parts["probability"].format(value=f"{finding.probability * 100:.1f}")
        head += f"{parts['open']}{probability}{parts['close']}"
    shown = [_figure(one, language) for one in figures if one.value != ""]
    return [one for one in (head, parts["between"].join(shown)) if one]


def _decision(name: str, verdict: Verdict, language: str) -> str:
    """Return the sentence of a decision."""
    index = 1 if language == "zh" else 0
    known = _DECISIONS.get(name)
    if known is not None:
        return known[0 if verdict is Verdict.YES else 1][index]
    parts = _PARTS[language]
    return parts["is"].format(name=name_of(name, language), value=parts[verdict.value])


def _figure(stated: Stated, language: str) -> str:
    """Return a figure with its name, unit and interval."""
    parts = _PARTS[language]
    text = parts["is"].format(name=name_of(stated.name, language), value=_value(stated, language))
    if stated.lower is not None and stated.upper is not None:
        interval = parts["interval"].format(
            lower=number_text(stated.lower), upper=number_text(stated.upper)
        )
        text += f"{parts['open']}{interval}{parts['close']}"
    return text


def _value(stated: Stated, language: str) -> str:
    """Return the value of a figure with its unit."""
    parts = _PARTS[language]
    value = stated.value
    if isinstance(value, str):
        return value
    if isinstance(value, tuple):
        shown = parts["list"].join(number_text(one) for one in value[:_MAX_SHOWN])
        if stated.unit is None and stated.name in _NAMES and not value:
            return parts["none"]
        if stated.unit is None and all(one == int(one) for one in value):
            return parts["positions"].format(value=shown)
        more = parts["more"].format(count=len(value))
        return (
            shown if len(value) <= _MAX_SHOWN else f"{shown}{parts['open']}{more}{parts['close']}"
        )
    unit = _unit(stated, language)
    return number_text(value) + (f" {unit}" if unit else "")


def _unit(stated: Stated, language: str) -> str:
    """Return the unit beside a figure, empty for a ratio."""
    known = _UNITS.get(stated.name) or _UNITS.get(stated.unit or "")
    if known is not None:
        return known[1] if language == "zh" else known[0]
    return "" if stated.unit in (None, "1") else str(stated.unit)


def _outside(finding: Finding, language: str) -> str:
    """Return the sentence that names the inputs beyond the trained range."""
    parts = _PARTS[language]
    names = [
        name_of(name, language)
        + (f"{parts['open']}{parts['range'].format(value=span)}{parts['close']}" if span else "")
        for name, span in finding.outside
    ]
    return parts["outside"].format(value=parts["list"].join(names))
