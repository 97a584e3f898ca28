"""The words of the model, as a person reads them in the language in use; a word not known here stays as it is."""

from __future__ import annotations

from capmart_sdk.console import t


def state_name(state: str) -> str:
    """A state in the language in use."""
    names = {
        "draft": t("draft", "草稿"),
        "checking": t("being checked", "检查中"),
        "in_review": t("in review", "评审中"),
        "rejected": t("rejected", "已驳回"),
        "failed": t("failed its checks", "检查未通过"),
        "listed": t("listed", "已上架"),
        "deprecated": t("deprecated", "不推荐"),
        "yanked": t("yanked", "已撤回"),
        "quarantined": t("quarantined", "已暂停"),
        "recalled": t("recalled", "已召回"),
        "taken_down": t("taken down", "已下架"),
    }
    return names.get(state, state)


def kind_name(kind: str) -> str:
    """A kind of component."""
    names = {
        "knowledge": t("knowledge", "知识组件"),
        "tool": t("tool", "工具组件"),
        "application": t("application", "应用组件"),
    }
    return names.get(kind, kind)


def delivery_name(delivery: str) -> str:
    """How a component is delivered."""
    names = {
        "python": "Python",
        "image": t("image", "镜像"),
        "files": t("files", "文件"),
        "remote": t("remote", "远程服务"),
    }
    return names.get(delivery, delivery)


def decision_name(decision: str) -> str:
    """What a review came to."""
    return {"approved": t("approved", "通过"), "rejected": t("rejected", "驳回")}.get(decision, decision)


def severity_name(severity: str) -> str:
    """How grave a finding is."""
    return {"error": t("error", "错误"), "warning": t("warning", "警告"), "info": t("note", "提示")}.get(
        severity, severity
    )
