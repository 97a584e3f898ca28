"""A catalog of any size, made of the taxonomies' own words: a log with many releases and a manifest for each."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from capmart_core import taxonomy
from capmart_core.canonical import canonical_bytes
from capmart_core.identifiers import digest_of
from tests.support.packages import manifest_json
from tests.support.simulated_log import SimulatedLog

MACHINES = (
    ("离心泵", "centrifugal pump"),
    ("注塑机", "injection moulding machine"),
    ("电机", "motor"),
    ("轴承", "bearing"),
    ("空压机", "air compressor"),
    ("数控机床", "machine tool"),
    ("锅炉", "boiler"),
    ("换热器", "heat exchanger"),
    ("纺纱机", "spinning frame"),
    ("变压器", "transformer"),
    ("化学反应釜", "chemical reactor"),
    ("机械臂", "robot arm"),
)
TASKS = (
    ("故障诊断", "fault diagnosis"),
    ("能耗分析", "energy analysis"),
    ("质量预测", "quality prediction"),
    ("排产优化", "production scheduling"),
    ("碳足迹核算", "carbon footprint"),
    ("振动监测", "vibration monitoring"),
    ("供需匹配", "supply matching"),
    ("工艺参数推荐", "process parameters"),
    ("设备综合效率", "equipment effectiveness"),
    ("库存预警", "stock warning"),
)
KINDS = ("knowledge", "tool", "application")


def manifests(count: int, *, seed: int = 2026) -> Iterator[dict[str, Any]]:
    """``count`` manifests, the same for the same seed; ids are ``acme/c-0``, ``acme/c-1`` and so on."""
    chance = random.Random(seed)  # noqa: S311 - nothing secret
    industries = taxonomy.load("industries").items
    scenarios = taxonomy.load("scenarios").codes()
    capabilities = taxonomy.load("capabilities").codes()
    subkinds = taxonomy.load("subkinds")
    for number in range(count):
        (machine_zh, machine_en), (task_zh, task_en) = chance.choice(MACHINES), chance.choice(TASKS)
        industry = chance.choice(industries)
        kind = KINDS[number % len(KINDS)]
        yield manifest_json(
            id=f"acme/c-{number}",
            kind=kind,
            title={"zh": f"{machine_zh}{task_zh}{number}", "en": f"{machine_en} {task_en} {number}"},
            summary={
                "zh": f"面向{industry.title.zh}的{machine_zh}{task_zh}，输入运行数据，给出结果与依据。",
                "en": f"{task_en} of a {machine_en} in {industry.title.en}: a result with reasons from operating data.",
            },
            taxonomy={
                "subkind": chance.choice(subkinds.codes(kind)),
                "industries": [industry.code],
                "scenarios": [chance.choice(scenarios)],
                "capabilities": [chance.choice(capabilities)],
            },
            examples=None,
        )


def crowded_log(count: int, *, origin: str) -> SimulatedLog:
    """A signed log that publishes ``count`` components."""
    log = SimulatedLog(origin)
    log.open_namespace()
    for value in manifests(count):
        data = canonical_bytes(value)
        log.say(
            "publish",
            component=value["id"],
            kind=value["kind"],
            industries=tuple(value["taxonomy"]["industries"]),
            scenarios=tuple(value["taxonomy"]["scenarios"]),
            config=digest_of(data),
        )
        log.manifests[-1] = data
    log.sign()
    return log
