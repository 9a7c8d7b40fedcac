"""Sentences of people in factories, with the values that they state, by task.

`(task, text, values)`: values in the column's unit; a column that is left out is not stated. All
were written for these tests.
"""

from typing import Any

from tests.models.arguments.more_sentences import MORE

SENTENCES: tuple[tuple[str, str, dict[str, Any]], ...] = (
    # One milling machine's operating point.
    (
        "machine_failure",
        "Grade M, air temperature 298.4 K, process temperature 308.9 K, rotational speed 1420 rpm, "
        "torque 48.5 Nm, tool wear 131 min. Will it fail?",
        {
            "type": "M",
            "air_temperature": 298.4,
            "process_temperature": 308.9,
            "rotational_speed": 1420,
            "torque": 48.5,
            "tool_wear": 131,
        },
    ),
    (
        "machine_failure",
        "转速1300转，扭矩65牛米, 刀具磨损220分钟，L级，环境温度298.1K，"
        "过程温度308.6K，会出故障吗？",
        {
            "type": "L",
            "air_temperature": 298.1,
            "process_temperature": 308.6,
            "rotational_speed": 1300,
            "torque": 65,
            "tool_wear": 220,
        },
    ),
    (
        "machine_failure",
        "室温25℃，加工温度36.5℃，主轴1480转/分，扭矩41.2N·m，刀具用了95分钟，M级零件",
        {
            "type": "M",
            "air_temperature": 298.15,
            "process_temperature": 309.65,
            "rotational_speed": 1480,
            "torque": 41.2,
            "tool_wear": 95,
        },
    ),
    (
        "machine_failure",
        "Spindle speed is 2.6 thousand, no idea of the rest",
        {"rotational_speed": 2600},
    ),
    (
        "machine_failure",
        "torque 58 N·m at 1290 rpm, tool wear 3.5 h",
        {"torque": 58, "rotational_speed": 1290, "tool_wear": 210},
    ),
    (
        "machine_failure",
        "type: H\nair_temperature: 300.2\nprocess_temperature: 310.4\nrotational_speed: 1555\n"
        "torque: 36.9\ntool_wear: 12",
        {
            "type": "H",
            "air_temperature": 300.2,
            "process_temperature": 310.4,
            "rotational_speed": 1555,
            "torque": 36.9,
            "tool_wear": 12,
        },
    ),
    (
        "machine_failure",
        '{"type": "L", "air_temperature": 299.0, "process_temperature": 309.1, '
        '"rotational_speed": 1380, "torque": 52.3, "tool_wear": 208} safe?',
        {
            "type": "L",
            "air_temperature": 299.0,
            "process_temperature": 309.1,
            "rotational_speed": 1380,
            "torque": 52.3,
            "tool_wear": 208,
        },
    ),
    (
        "machine_failure",
        "| 参数 | 数值 |\n|---|---|\n| 等级 | M |\n| 环境温度 | 26 °C |\n| 过程温度 | 37 °C |\n"
        "| 转速 | 1410 rpm |\n| 扭矩 | 46 Nm |\n| 刀具磨损 | 60 min |",
        {
            "type": "M",
            "air_temperature": 299.15,
            "process_temperature": 310.15,
            "rotational_speed": 1410,
            "torque": 46,
            "tool_wear": 60,
        },
    ),
    (
        "machine_failure",
        "ambient 77 °F, process 98.6 °F, 1500 r/min, 40 Nm",
        {
            "air_temperature": 298.15,
            "process_temperature": 310.15,
            "rotational_speed": 1500,
            "torque": 40,
        },
    ),
    ("machine_failure", "铣床今天声音有点大，会不会坏？", {}),
    (
        "machine_failure",
        "M级，1,350 rpm, 55 牛·米",
        {"type": "M", "rotational_speed": 1350, "torque": 55},
    ),
    (
        "machine_failure",
        "We cut with 44 N·m of torque and the insert has 180 min on it; low quality workpiece",
        {"torque": 44, "tool_wear": 180, "type": "L"},
    ),
    # Bearings.
    (
        "bearing_life",
        "Ball bearing, C = 31 kN, P = 2.6 kN, n = 1450 rpm, reliability 95 %, aISO = 1.4",
        {
            "bearing": "ball",
            "dynamic_load_rating": 31000,
            "equivalent_load": 2600,
            "rotational_speed": 1450,
            "reliability": 95,
            "a_iso": 1.4,
        },
    ),
    (
        "bearing_life",
        "深沟球轴承，额定动载荷25.5千牛，当量动载荷1900牛，转速970转/分，求L10",
        {
            "bearing": "ball",
            "dynamic_load_rating": 25500,
            "equivalent_load": 1900,
            "rotational_speed": 970,
            "reliability": 90,
            "a_iso": 1,
        },
    ),
    (
        "bearing_life",
        "圆锥滚子轴承C=112kN,P=9.4kN,n=600r/min,可靠度96%,寿命修正系数取0.8",
        {
            "bearing": "roller",
            "dynamic_load_rating": 112000,
            "equivalent_load": 9400,
            "rotational_speed": 600,
            "reliability": 96,
            "a_iso": 0.8,
        },
    ),
    (
        "bearing_life",
        "basic rating life of a tapered roller bearing rated 90 kN, load of 7.2 kN at 800 rpm",
        {
            "bearing": "roller",
            "dynamic_load_rating": 90000,
            "equivalent_load": 7200,
            "rotational_speed": 800,
            "reliability": 90,
            "a_iso": 1,
        },
    ),
    (
        "bearing_life",
        "The 6308 has a dynamic load rating of 42,300 N and carries 3.1 kN",
        {"dynamic_load_rating": 42300, "equivalent_load": 3100},
    ),
    (
        "bearing_life",
        "球轴承，每分钟2900转，径向载荷850N",
        {"bearing": "ball", "rotational_speed": 2900, "equivalent_load": 850},
    ),
    ("bearing_life", "轴承多久该换？", {}),
    # OEE.
    (
        "oee",
        "Planned busy time 480 min, actual production time 402 min, ideal cycle time 0.5 min per "
        "piece, produced 700 pcs, of which good 655",
        {
            "planned_busy_time": 480,
            "actual_production_time": 402,
            "planned_run_time": 0.5,
            "produced_quantity": 700,
            "good_quantity": 655,
        },
    ),
    (
        "oee",
        "计划时间8小时，实际运行6.5小时，节拍30秒/件，产量690件，合格672件，OEE多少？",
        {
            "planned_busy_time": 480,
            "actual_production_time": 390,
            "planned_run_time": 0.5,
            "produced_quantity": 690,
            "good_quantity": 672,
        },
    ),
    (
        "oee",
        "每件0.8分钟，排了540分钟，开机441分钟，做了500件，良品487件",
        {
            "planned_run_time": 0.8,
            "planned_busy_time": 540,
            "actual_production_time": 441,
            "produced_quantity": 500,
            "good_quantity": 487,
        },
    ),
    (
        "oee",
        "shift: planned 7.5 h, ran 6 h, made 1100 parts, 1046 good",
        {
            "planned_busy_time": 450,
            "actual_production_time": 360,
            "produced_quantity": 1100,
            "good_quantity": 1046,
        },
    ),
    (
        "oee",
        "标准节拍18秒每件，总产量1.2万件",
        {"planned_run_time": 0.3, "produced_quantity": 12000},
    ),
    (
        "oee",
        "planned_busy_time,actual_production_time,planned_run_time,produced_quantity,good_quantity\n"
        "480,400,0.4,900,880",
        {
            "planned_busy_time": 480,
            "actual_production_time": 400,
            "planned_run_time": 0.4,
            "produced_quantity": 900,
            "good_quantity": 880,
        },
    ),
    ("oee", "How do I raise the OEE of a press?", {}),
    # Process capability.
    (
        "process_capability",
        "measurements 5.01 5.02 4.99 5.00 5.03 4.98 5.01 5.00 4.97 5.02, subgroups of 5, "
        "lower limit 4.85, upper limit 5.15, confidence 95 %",
        {
            "measurements": (5.01, 5.02, 4.99, 5.0, 5.03, 4.98, 5.01, 5.0, 4.97, 5.02),
            "subgroup_size": 5,
            "lower_limit": 4.85,
            "upper_limit": 5.15,
            "confidence": 95,
        },
    ),
    (
        "process_capability",
        "实测：12.1，12.0，11.9，12.2，12.0，11.8，12.1，12.0，12.1，11.9；规格11.4~12.6，子组2",
        {
            "measurements": (12.1, 12.0, 11.9, 12.2, 12.0, 11.8, 12.1, 12.0, 12.1, 11.9),
            "lower_limit": 11.4,
            "upper_limit": 12.6,
            "subgroup_size": 2,
        },
    ),
    (
        "process_capability",
        "LSL=7.9, USL=8.1, subgroup size 4",
        {"lower_limit": 7.9, "upper_limit": 8.1, "subgroup_size": 4},
    ),
    (
        "process_capability",
        "上限20.5，下限19.5，置信度99%",
        {"upper_limit": 20.5, "lower_limit": 19.5, "confidence": 99},
    ),
    # Control charts.
    (
        "control_chart",
        "centre line 20, standard deviation 0.4, points 20.1 19.8 21.4 20.0 20.2",
        {"centre": 20, "deviation": 0.4, "points": (20.1, 19.8, 21.4, 20.0, 20.2)},
    ),
    (
        "control_chart",
        "均值7.5，标准差0.2，点子7.4、7.6、7.5、8.3、7.5",
        {"centre": 7.5, "deviation": 0.2, "points": (7.4, 7.6, 7.5, 8.3, 7.5)},
    ),
    (
        "control_chart",
        "mean 100.2, sigma 1.5; latest: 101, 103.9, 104.1, 99.7",
        {"centre": 100.2, "deviation": 1.5, "points": (101, 103.9, 104.1, 99.7)},
    ),
    ("control_chart", "过程还受控吗？", {}),
    *MORE,
)
