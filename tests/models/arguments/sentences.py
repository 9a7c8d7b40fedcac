"""Sentences of people in factories, with the values that they state, by task.

`(task, text, values)`: values in the column's unit; a column that is left out is not stated. All
were written for these tests.
"""

from typing import Any

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
        {},
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
    # Pumps.
    (
        "pump_affinity",
        "A pump gives 95 m³/h at 34 m and takes 13.2 kW at 1470 rpm. What at 1200 rpm?",
        {
            "flow": 95,
            "head": 34,
            "shaft_power": 13.2,
            "rotational_speed": 1470,
            "new_rotational_speed": 1200,
        },
    ),
    (
        "pump_affinity",
        "流量每小时80立方，扬程28米，轴功率9.5千瓦，转速从1450转降到1160转",
        {
            "flow": 80,
            "head": 28,
            "shaft_power": 9.5,
            "rotational_speed": 1450,
            "new_rotational_speed": 1160,
        },
    ),
    (
        "pump_affinity",
        "Q=30 l/s, H=22 m, P=8.8 kW, n1=1480 rpm, n2=1300 rpm",
        {
            "flow": 108,
            "head": 22,
            "shaft_power": 8.8,
            "rotational_speed": 1480,
            "new_rotational_speed": 1300,
        },
    ),
    (
        "pump_affinity",
        "new speed 990 rpm, rotational speed 1475 rpm, shaft power 18.5 kW",
        {"new_rotational_speed": 990, "rotational_speed": 1475, "shaft_power": 18.5},
    ),
    (
        "pump_affinity",
        "转速从1440调到1000，功率11kW",
        {"rotational_speed": 1440, "new_rotational_speed": 1000, "shaft_power": 11},
    ),
    (
        "pump_efficiency",
        "flow 150 m3/h, head 40 m, density 998 kg/m3, shaft power 22 kW",
        {"flow": 150, "head": 40, "density": 998, "shaft_power": 22},
    ),
    (
        "pump_efficiency",
        "流量65立方米每小时，扬程31米，密度1.05克/立方厘米，轴功率8.4千瓦",
        {"flow": 65, "head": 31, "density": 1050, "shaft_power": 8.4},
    ),
    ("pump_efficiency", "25 l/s, 30 m, 12 hp", {"flow": 90, "head": 30, "shaft_power": 8.94839845}),
    ("pump_efficiency", "泵的效率怎么算？", {}),
    # Motors.
    (
        "motor_efficiency",
        "Motor at 400 V and 21.5 A, power factor 0.85, torque 73 Nm at 1460 rpm",
        {
            "voltage": 400,
            "current": 21.5,
            "power_factor": 0.85,
            "torque": 73,
            "rotational_speed": 1460,
        },
    ),
    (
        "motor_efficiency",
        "电压380伏，电流15安，功率因数0.82，扭矩45牛米，转速1440转/分，效率多少",
        {
            "voltage": 380,
            "current": 15,
            "power_factor": 0.82,
            "torque": 45,
            "rotational_speed": 1440,
        },
    ),
    (
        "motor_efficiency",
        "U=6 kV, I=88 A, cosφ=0.87, M=4900 Nm, n=1488 r/min",
        {
            "voltage": 6000,
            "current": 88,
            "power_factor": 0.87,
            "torque": 4900,
            "rotational_speed": 1488,
        },
    ),
    (
        "motor_efficiency",
        "690 V, 45 A, 50 Hz, 970 rpm",
        {"voltage": 690, "current": 45, "rotational_speed": 970},
    ),
    # Specific energy.
    (
        "specific_energy",
        "We used 23500 kWh for 6400 pieces; baseline 3.9 kWh per piece",
        {"energy": 23500, "quantity": 6400, "baseline": 3.9},
    ),
    (
        "specific_energy",
        "上月用电18000度，做了5200件，基准3.6度/件",
        {"energy": 18000, "quantity": 5200, "baseline": 3.6},
    ),
    (
        "specific_energy",
        "能耗41兆瓦时，产量1.1万件，目标每件3.5度",
        {"energy": 41000, "quantity": 11000, "baseline": 3.5},
    ),
    ("specific_energy", "12.4 MWh for 3100 units", {"energy": 12400, "quantity": 3100}),
    # Tags.
    ("tag_concept", "What does the tag AHU3.SAT_SP mean?", {"tag": "AHU3.SAT_SP"}),
    ("tag_concept", "位号 P-204_FLOW_PV 对应哪个概念", {"tag": "P-204_FLOW_PV"}),
    (
        "tag_concept",
        'Map "VAV 12 Damper-Pos" to Brick',
        {"tag": "VAV 12 Damper-Pos", "scheme": "brick"},
    ),
    ("tag_concept", "这个点位是什么意思？", {}),
    # Engines, rigs and plates: series and tables.
    (
        "plate_fault",
        "X_Minimum: 42, X_Maximum: 50, Y_Minimum: 270900, Y_Maximum: 270944, Pixels_Areas: 267",
        {
            "X_Minimum": 42,
            "X_Maximum": 50,
            "Y_Minimum": 270900,
            "Y_Maximum": 270944,
            "Pixels_Areas": 267,
        },
    ),
    (
        "plate_fault",
        "Steel_Plate_Thickness = 80, Luminosity_Index = -0.2913, Edges_Index = 0.0498",
        {"Steel_Plate_Thickness": 80, "Luminosity_Index": -0.2913, "Edges_Index": 0.0498},
    ),
    (
        "plate_fault",
        "X_Minimum\tX_Maximum\tPixels_Areas\tLogOfAreas\n645\t651\t108\t2.0334",
        {"X_Minimum": 645, "X_Maximum": 651, "Pixels_Areas": 108, "LogOfAreas": 2.0334},
    ),
)
