"""Names and examples of a manifest's fields, for those who wrote one wrong."""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel

from capmart_core.manifest import models
from capmart_core.text import Text

DELIVERY_TAGS: Final = frozenset({"python", "image", "files", "remote"})

FIELDS: Final = frozenset(
    name
    for model in (Text, *vars(models).values())
    if isinstance(model, type) and issubclass(model, BaseModel)
    for name in model.model_fields
)

EXAMPLES: Final = {
    "id": "acme/oee",
    "version": "1.0.0",
    "kind": "tool",
    "title": '{"zh": "设备综合效率", "en": "Overall equipment effectiveness"}',
    "zh": "设备综合效率",
    "en": "Overall equipment effectiveness",
    "summary": '{"zh": "一句话说明用途", "en": "One sentence that says what it is for"}',
    "provider": '{"name": {"zh": "示例公司", "en": "Example Ltd"}, "contact": "support@example.com"}',
    "contact": "support@example.com",
    "uscc": "91350100M000100Y43",
    "licence": "Apache-2.0",
    "delivery": '{"type": "python", "entry": "acme_oee", "runtimes": ["python3.11-any"]}',
    "entry": "acme_oee",
    "runtimes": '["python3.11-any"]',
    "image": "sha256:…",
    "taxonomy": '{"subkind": "analysis", "industries": ["34"]}',
    "subkind": "analysis",
    "industries": '["34"]',
    "scenarios": '["production"]',
    "capabilities": '["decision"]',
    "actions": '[{"name": "calculate", …}]',
    "action": "calculate",
    "actions.name": "calculate",
    "input": '{"type": "object", "properties": {…}}',
    "output": '{"type": "object", "properties": {…}}',
    "path": "/api/calculate",
    "files.path": "factors/2022.csv",
    "media_type": "text/csv",
    "digest": "sha256:…",
    "range": "^1.2",
    "port": "8080",
    "health": "/healthz",
    "page": "/",
    "network": '["api.example.com:443"]',
    "calls": '["acme/oee"]',
    "memory_mib": "256",
    "deadline_s": "10",
    "tolerance": "1e-6",
}
