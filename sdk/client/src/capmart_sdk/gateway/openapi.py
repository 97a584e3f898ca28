"""An OpenAPI 3.1 document made from the schemas of what is installed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from capmart_core.manifest.models import Action, Manifest
from capmart_core.text import Language


def openapi(manifests: Iterable[Manifest], language: Language, *, secured: bool) -> dict[str, Any]:
    """The document.

    Args:
        manifests: of what is installed.
        language: of titles and summaries.
        secured: whether calls need a bearer token.
    """
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "Capmart", "version": "1", "summary": _summary(language)},
        "paths": {
            f"/components/{manifest.id}/actions/{action.name}": {"post": _operation(manifest, action, language)}
            for manifest in manifests
            for action in manifest.actions
        },
        "components": {"schemas": {"Problem": _PROBLEM}},
    }
    if secured:
        document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"token": []}]
    return document


def _summary(language: Language) -> str:
    return "本节点已安装的全部动作" if language == "zh" else "Every action installed in this node"


def _operation(manifest: Manifest, action: Action, language: Language) -> dict[str, Any]:
    example = next((each for each in manifest.examples if each.action == action.name), None)
    content: dict[str, Any] = {"schema": _schema(manifest, action, "input")}
    if example is not None:
        content["examples"] = {example.name: {"value": example.input}}
    problem = {"content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    return {
        "operationId": f"{manifest.id}/{action.name}".replace("/", "."),
        "tags": [manifest.id],
        "summary": action.title.get(language),
        "description": (action.summary or manifest.summary).get(language),
        "requestBody": {"required": True, "content": {"application/json": content}},
        "responses": {
            "200": {
                "description": action.title.get(language),
                "content": {"application/json": {"schema": _schema(manifest, action, "output")}},
            },
            "default": {"description": "RFC 9457", **problem},
        },
    }


def _schema(manifest: Manifest, action: Action, side: str) -> dict[str, Any]:
    schema = action.input if side == "input" else action.output
    # Its own base address, so that its local references stay its own inside this document.
    return {**schema, "$id": f"/components/{manifest.id}@{manifest.version}/actions/{action.name}/{side}"}


_PROBLEM = {
    "type": "object",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "advice": {"type": "string"},
        "data": {"type": "object"},
    },
    "required": ["type", "title", "status", "detail", "code"],
}
