"""Further sentences with the values that they state, as in sentences.py."""

from typing import Any

MORE: tuple[tuple[str, str, dict[str, Any]], ...] = (
    # Pumps.
    (
        "pump_affinity",
        "把泵从50Hz的1450转降到1250转，原流量70m³/h，原扬程26m，轴功率6.6kW，问新扬程",
        {
            "flow": 70,
            "head": 26,
            "shaft_power": 6.6,
            "rotational_speed": 1450,
            "new_rotational_speed": 1250,
        },
    ),
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
    ("tag_concept", "90m³/h at 1450 r/min and 3 kW·h", {}),
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
    # Words that are the unit of a number, rates, and what is left after scrap.
    (
        "oee",
        "planned 7.75 h, ran 7.1 h, 2 parts per minute is the standard rate, 800 parts, 790 good",
        {
            "planned_busy_time": 465,
            "actual_production_time": 426,
            "planned_run_time": 0.5,
            "produced_quantity": 800,
            "good_quantity": 790,
        },
    ),
    (
        "oee",
        "It should run 900 minutes, it really ran 822 minutes. Standard time 1.2 min per piece. "
        "Output 650 pieces, 641 of them good.",
        {
            "planned_busy_time": 900,
            "actual_production_time": 822,
            "planned_run_time": 1.2,
            "produced_quantity": 650,
            "good_quantity": 641,
        },
    ),
    (
        "oee",
        "We planned 900 minutes, lost 85 minutes to stoppages, cycle time is 12 seconds per "
        "bottle, 3,900 bottles were filled and 3,861 were good.",
        {
            "planned_busy_time": 900,
            "actual_production_time": 815,
            "planned_run_time": 0.2,
            "produced_quantity": 3900,
            "good_quantity": 3861,
        },
    ),
    (
        "oee",
        "开机6.8小时,应开10小时,标准一件0.9分钟,做了410件,报废除外剩257件",
        {
            "planned_busy_time": 600,
            "actual_production_time": 408,
            "planned_run_time": 0.9,
            "produced_quantity": 410,
            "good_quantity": 257,
        },
    ),
    # A comma between Chinese readings is no decimal comma; a word names one number of a row.
    (
        "process_capability",
        "上公差10.4,下公差9.6,子组大小4,99%置信区间",
        {"subgroup_size": 4, "lower_limit": 9.6, "upper_limit": 10.4, "confidence": 99},
    ),
    (
        "control_chart",
        "mean 49.6, sigma 0.9, 51.6 49.5 51.7 49.8 49.7 50.1",
        {"centre": 49.6, "deviation": 0.9, "points": (51.6, 49.5, 51.7, 49.8, 49.7, 50.1)},
    ),
    (
        "control_chart",
        "zone tests; CL is 50.6, one sigma is 1.1, readings 51.9 52.0 51.8 52.1",
        {"centre": 50.6, "deviation": 1.1, "points": (51.9, 52.0, 51.8, 52.1)},
    ),
)
