"""What the portal calls things that the catalog has no words for, in both languages."""

from __future__ import annotations

from collections.abc import Mapping

from capmart_core.text import Language, Text
from capmart_registry.catalog.facets import STATE_TITLES

STATES: Mapping[str, Text] = {
    **STATE_TITLES,
    "draft": Text(en="Draft", zh="草稿"),
    "checking": Text(en="Being checked", zh="检测中"),
    "in_review": Text(en="In review", zh="待评审"),
    "rejected": Text(en="Rejected", zh="已驳回"),
    "failed": Text(en="Checks failed", zh="检测未通过"),
}
SEVERITIES: Mapping[str, Text] = {
    "error": Text(en="Error", zh="错误"),
    "warning": Text(en="Warning", zh="警告"),
    "info": Text(en="Note", zh="提示"),
}


def said(texts: Mapping[str, Text], code: str, language: Language) -> str:
    """The words for ``code``; the code itself where there are none."""
    text = texts.get(code)
    return code if text is None else text.get(language)
