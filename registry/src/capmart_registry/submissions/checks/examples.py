"""Check ``examples``: what the manifest promises is what the component does, executed in the sandbox and measured."""

from __future__ import annotations

import json
from collections.abc import Iterator

from capmart_core.errors import (
    CapmartError,
    ComponentFailed,
    DriverBroken,
    DriverNotFound,
    NotIsolated,
    RuntimeMismatch,
    Unavailable,
)
from capmart_core.examples import differences
from capmart_core.hooks import hookimpl
from capmart_core.manifest.models import Example
from capmart_core.ports.runner import Instance
from capmart_core.schemas import Schema
from capmart_core.text import Text
from capmart_registry.hooks.subject import CheckSubject, Finding, Measurement

_FILE = "manifest.json"
_MAX_VALUE = 200


@hookimpl
def capmart_check(subject: CheckSubject) -> Iterator[Finding | Measurement]:
    """Every example is executed once; without an engine the answer is ``not_run``, which blocks."""
    if subject.manifest.delivery.type not in {"python", "image"}:
        return
    if not subject.manifest.examples:
        if subject.manifest.actions:
            yield _no_examples()
        return
    try:
        runner = subject.bench.runner()
        if runner.info().isolation == "none":
            yield _not_isolated(subject.namespace)
        with subject.bench.installed(runner) as spec, runner.start(spec) as instance:
            for example in subject.manifest.examples:
                yield from _execute(subject, instance, example)
    except (Unavailable, DriverNotFound, DriverBroken, NotIsolated) as error:
        yield _not_run(error)
    except RuntimeMismatch as error:
        yield _failure("runtime_mismatch", error)
    except ComponentFailed as error:
        yield _failure(f"component_{error.code}", error)


def _execute(subject: CheckSubject, instance: Instance, example: Example) -> Iterator[Finding | Measurement]:
    action = subject.manifest.action(example.action)
    if action is None:  # the manifest's model refuses that
        return
    place = f"examples[{example.name}]"
    try:
        result = instance.call(example.action, example.input)
    except ComponentFailed as error:
        yield _failure("example_failed", error, place)
        return
    yield Measurement(
        example=example.name,
        action=example.action,
        wall_ms=result.usage.wall_ms,
        cpu_ms=result.usage.cpu_ms,
        peak_mib=result.usage.peak_mib,
    )
    for fault in Schema(action.output).faults(result.value, limit=5):
        yield Finding(
            severity="error",
            file=_FILE,
            rule="example_schema",
            message=Text(
                zh=f"{place}：结果在 {fault.path or '/'} 处不符合输出模式：{fault.message.zh}",
                en=f"{place}: the result does not match the output schema at {fault.path or '/'}: {fault.message.en}",
            ),
            next=_MEND,
        )
    for difference in differences(example.output, result.value, tolerance=example.tolerance)[:5]:
        expected, actual = _short(difference.expected), _short(difference.actual)
        yield Finding(
            severity="error",
            file=_FILE,
            rule="example_differs",
            message=Text(
                zh=f"{place}：{difference.path or '/'} 应为 {expected}，实为 {actual}",
                en=f"{place}: at {difference.path or '/'} expected {expected}, got {actual}",
            ),
            next=_MEND,
        )


_MEND = Text(
    zh="修正代码或示例（浮点数可设 tolerance），然后重新打包并提交",
    en="Mend the code or the example (numbers may have a tolerance), then pack and submit again",
)


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _MAX_VALUE else f"{text[: _MAX_VALUE - 1]}…"


def _failure(rule: str, error: CapmartError, place: str = "") -> Finding:
    prefix_zh, prefix_en = (f"{place}：", f"{place}: ") if place else ("", "")
    return Finding(
        severity="error",
        file=_FILE,
        rule=rule,
        message=Text(zh=f"{prefix_zh}{error.message('zh')}"[:2000], en=f"{prefix_en}{error.message('en')}"[:2000]),
        next=_MEND,
    )


def _not_run(error: CapmartError) -> Finding:
    return Finding(
        severity="error",
        file=_FILE,
        rule="not_run",
        message=Text(zh=f"示例未能运行：{error.message('zh')}", en=f"the examples were not run: {error.message('en')}"),
        next=Text(
            zh="请运营方启动容器引擎后重新检测；若信任该命名空间的代码，可将其加入 process_namespaces",
            en="The operator starts a container engine and has it checked again; a namespace whose code is trusted may "
            "be added to process_namespaces",
        ),
    )


def _not_isolated(namespace: str) -> Finding:
    return Finding(
        severity="info",
        file=_FILE,
        rule="not_isolated",
        message=Text(
            zh=f"没有容器引擎；命名空间 {namespace} 受运营方信任，示例以进程方式运行",
            en=f"no container engine; the operator trusts namespace {namespace}, so the examples ran as processes",
        ),
        next=Text(zh="无需处理", en="Nothing to do"),
    )


def _no_examples() -> Finding:
    return Finding(
        severity="warning",
        file=_FILE,
        rule="no_examples",
        message=Text(
            zh="组件没有示例，无法验证其承诺", en="the component has no examples, so its promises cannot be verified"
        ),
        next=Text(
            zh="在 capmart.toml 中加入 [[examples]]：输入与期望输出",
            en="Add [[examples]] to capmart.toml: an input and the output expected of it",
        ),
    )
