"""Facets: which there are, what they are called, and what their codes are called."""

from __future__ import annotations

from collections.abc import Mapping

from capmart_core import taxonomy
from capmart_core.text import Text
from capmart_registry.search.index import FACETS

FACET_TITLES: Mapping[str, Text] = {
    "kind": Text(zh="类型", en="Kind"),
    "subkind": Text(zh="子类", en="Sub-kind"),
    "industry": Text(zh="行业", en="Industry"),
    "scenario": Text(zh="场景", en="Scenario"),
    "capability": Text(zh="能力", en="Capability"),
    "delivery": Text(zh="交付方式", en="Delivery"),
    "home": Text(zh="归属中心", en="Home center"),
    "namespace": Text(zh="命名空间", en="Namespace"),
}

DELIVERY_TITLES: Mapping[str, Text] = {
    "python": Text(zh="Python 组件包", en="Python package"),
    "image": Text(zh="容器镜像", en="Container image"),
    "files": Text(zh="文件", en="Files"),
    "remote": Text(zh="远程服务", en="Remote service"),
}

STATE_TITLES: Mapping[str, Text] = {
    "listed": Text(zh="上架", en="Listed"),
    "deprecated": Text(zh="不推荐", en="Deprecated"),
    "yanked": Text(zh="撤回", en="Yanked"),
    "quarantined": Text(zh="暂停", en="Quarantined"),
    "recalled": Text(zh="召回", en="Recalled"),
    "taken_down": Text(zh="下架", en="Taken down"),
}

_TABLES = {"industry": "industries", "scenario": "scenarios", "capability": "capabilities", "subkind": "subkinds"}


def code_title(facet: str, code: str) -> Text:
    """What a person reads for ``code``; the code itself where no table knows it."""
    known: Text | None = None
    if facet == "kind":
        known = next((group.title for group in taxonomy.load("subkinds").groups if group.code == code), None)
    elif facet in _TABLES:
        item = taxonomy.load(_TABLES[facet]).item(code)
        known = None if item is None else item.title
    elif facet == "delivery":
        known = DELIVERY_TITLES.get(code)
    return known or Text(zh=code, en=code)


__all__ = ["DELIVERY_TITLES", "FACETS", "FACET_TITLES", "STATE_TITLES", "code_title"]
