"""The manifest: its model, and reading it so that every problem is named at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from capmart_core.canonical import parse_json
from capmart_core.errors import InvalidJson, InvalidManifest
from capmart_core.manifest import rules
from capmart_core.manifest.fields import DELIVERY_TAGS, EXAMPLES, FIELDS
from capmart_core.manifest.models import Manifest
from capmart_core.manifest.problems import NOTHING, Problem, from_validation
from capmart_core.text import Text

MAX_MANIFEST_BYTES = 4 << 20

__all__ = ["MAX_MANIFEST_BYTES", "Manifest", "Problem", "problems_of", "read_manifest"]


def read_manifest(data: bytes | Mapping[str, Any], *, file: str = "manifest.json") -> Manifest:
    """Read a manifest that a person or a program wrote.

    Args:
        data: its JSON, or the value of it.
        file: names it in problems.

    Raises:
        InvalidManifest: it has problems; ``problems`` in its data lists them all.
    """
    problems = problems_of(data, file=file)
    if problems:
        raise InvalidManifest(count=len(problems), file=file, problems=problems)
    return Manifest.model_validate(_value(data, file))


def problems_of(data: bytes | Mapping[str, Any], *, file: str = "manifest.json") -> list[Problem]:
    """Every problem of a manifest, in the order of its fields; empty when it has none."""
    try:
        value = _value(data, file)
    except InvalidJson as error:
        text = Text(en=error.message("en"), zh=error.message("zh"))
        return [Problem(file, "", "json", Text(en="a JSON document", zh="JSON 文档"), text)]
    if not isinstance(value, Mapping):
        return [Problem(file, "", "json", Text(en="a JSON object", zh="JSON 对象"), Text(en="none", zh="不是对象"))]
    problems = _shape(value, file)
    places = {problem.field for problem in problems}
    problems += [problem for problem in _beyond_shape(value, file) if problem.field not in places]
    order = {name: position for position, name in enumerate(Manifest.model_fields)}
    return sorted(problems, key=lambda problem: order.get(problem.field.partition(".")[0].partition("[")[0], -1))


def _value(data: bytes | Mapping[str, Any], file: str) -> Any:
    return parse_json(data, what=file, max_bytes=MAX_MANIFEST_BYTES) if isinstance(data, bytes) else data


def _shape(value: Mapping[str, Any], file: str) -> list[Problem]:
    try:
        Manifest.model_validate(value)
    except ValidationError as error:
        problems = from_validation(error, file, fields=FIELDS, examples=EXAMPLES, tags={"delivery": DELIVERY_TAGS})
        # What the model says of itself as a whole is said below with its place, and beside other problems.
        return [problem for problem in problems if problem.field]
    return []


def _beyond_shape(value: Mapping[str, Any], file: str) -> list[Problem]:
    taxonomy = value.get("taxonomy")
    provider = value.get("provider")
    delivery = value.get("delivery")
    problems = [
        *rules.check_texts(value, file),
        *rules.check_licence(value.get("licence"), file, "licence"),
        *rules.check_dependencies(value.get("dependencies"), value.get("id"), file, "dependencies"),
        *rules.check_examples(value.get("examples"), value.get("actions"), file, "examples"),
        *rules.check_unique_paths(value.get("files"), file, "files"),
    ]
    if isinstance(taxonomy, Mapping):
        problems += rules.check_codes(value.get("kind"), taxonomy, file, "taxonomy")
    if isinstance(provider, Mapping):
        problems += rules.check_uscc(provider.get("uscc"), file, "provider.uscc")
    if isinstance(delivery, Mapping):
        problems += _check_delivery(delivery, value, file)
    else:
        problems += rules.check_actions(value.get("actions"), file, "actions", http=None)
    return problems


def _check_delivery(delivery: Mapping[str, Any], value: Mapping[str, Any], file: str) -> list[Problem]:
    kind, actions = delivery.get("type"), value.get("actions") or ()
    http = delivery.get("http") is not None
    if kind == "files":
        problems = []
        if not value.get("files"):
            expected = Text(en="at least one file: it is delivered as files", zh="至少一个文件：以 files 交付")
            problems.append(Problem(file, "files", "no_files", expected, NOTHING))
        if actions:
            expected = Text(en="no actions: it is delivered as files", zh="不应有动作：以 files 交付")
            problems.append(Problem(file, "actions", "no_actions", expected, Text(en="actions", zh="有动作")))
        return problems
    speaks_http = http if kind in {"python", "image"} else None
    problems = list(rules.check_actions(actions, file, "actions", http=speaks_http))
    page = delivery.get("http")
    if not actions and not (isinstance(page, Mapping) and page.get("page")):
        expected = Text(en="at least one action, or a page", zh="至少一个动作，或一个页面")
        problems.append(Problem(file, "actions", "no_actions", expected, NOTHING))
    if kind == "python" and isinstance(delivery.get("entry"), str) and http != (":" in str(delivery["entry"])):
        expected = (
            Text(en="module:function that serves HTTP", zh="提供 HTTP 服务的 模块:函数")
            if http
            else Text(en="a module, or an http section", zh="模块名，或增加 http 段")
        )
        problems.append(
            Problem(
                file, "delivery.entry", "entry", expected, Text(en=str(delivery["entry"]), zh=str(delivery["entry"]))
            )
        )
    return problems
