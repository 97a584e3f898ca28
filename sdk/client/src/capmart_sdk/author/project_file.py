"""The shape of ``capmart.toml``, which an author writes."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from capmart_core.manifest import models
from capmart_core.manifest.fields import EXAMPLES as MANIFEST_EXAMPLES
from capmart_core.text import Text

JsonOrFile = str | dict[str, Any]
"""A table, or the path of a JSON file relative to the project."""


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ComponentSection(_Strict):
    """``[component]``: identity, where it stands in the catalog, and how it is delivered."""

    id: models.Id
    version: models.VersionText
    kind: models.Kind
    delivery: Literal["python", "image", "files", "remote"]
    licence: Annotated[str, Field(min_length=1, max_length=200)]
    title: Text
    summary: Text
    description: Text | None = None
    subkind: models.Code
    industries: Annotated[tuple[models.Code, ...], Field(max_length=41)] = ()
    scenarios: Annotated[tuple[models.Code, ...], Field(max_length=20)] = ()
    capabilities: Annotated[tuple[models.Code, ...], Field(max_length=20)] = ()
    tags: Annotated[tuple[Annotated[str, Field(min_length=1, max_length=40)], ...], Field(max_length=20)] = ()
    standards: Annotated[tuple[Annotated[str, Field(max_length=100)], ...], Field(max_length=50)] = ()


class PythonSection(_Strict):
    """``[python]``: a module whose actions are exported, or ``module:function`` that serves HTTP.

    Attributes:
        runtimes: those to build for; the base image's when empty.
    """

    entry: Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*(:[A-Za-z_]\w*)?$")]
    runtimes: Annotated[tuple[models.RuntimeText, ...], Field(max_length=16)] = ()
    isolation: Literal["isolated", "resident"] = "isolated"
    http: models.Http | None = None


class ImageSection(_Strict):
    """``[image]``: an image of the local Docker engine, or a folder with an OCI image layout.

    Attributes:
        reference: for example ``local/name:1.0.0``.
        layout: folder, relative to the project.
    """

    reference: Annotated[str, Field(min_length=1, max_length=300, pattern=r"^[A-Za-z0-9][^\s]*$")] | None = None
    layout: models.RelativePath | None = None
    protocol: Literal["http", "framed"] = "http"
    http: models.Http | None = None


class RemoteSection(_Strict):
    """``[remote]``: hosted by its publisher."""

    url: Annotated[str, Field(pattern=r"^https://[^\s]{1,2000}$")]


class ActionSection(_Strict):
    """``[[actions]]``, for what does not describe itself: HTTP components, images, remote services."""

    name: models.ActionName
    title: Text
    summary: Text | None = None
    input: JsonOrFile
    output: JsonOrFile
    path: Annotated[str, Field(pattern=r"^/[^\s?#]{0,200}$")] | None = None
    idempotent: bool = True


class ExampleSection(_Strict):
    """``[[examples]]``: text that ends in ``.json`` names a file."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    action: models.ActionName
    input: Any
    output: Any
    tolerance: Annotated[float, Field(ge=0, le=0.1)] = 0.0


class FileSection(_Strict):
    """``[[files]]``: what a person reads about one file in ``files/``."""

    path: models.RelativePath
    title: Text | None = None
    media_type: Annotated[str, Field(pattern=r"^[\w.+-]+/[\w.+-]+$")] | None = None


class ProjectFile(_Strict):
    """``capmart.toml``."""

    component: ComponentSection
    provider: models.Provider
    python: PythonSection | None = None
    image: ImageSection | None = None
    remote: RemoteSection | None = None
    actions: Annotated[tuple[ActionSection, ...], Field(max_length=models.MAX_ACTIONS)] = ()
    examples: Annotated[tuple[ExampleSection, ...], Field(max_length=models.MAX_EXAMPLES)] = ()
    files: Annotated[tuple[FileSection, ...], Field(max_length=models.MAX_FILES)] = ()
    limits: models.Limits = models.Limits()
    permissions: models.Permissions = models.Permissions()
    dependencies: Annotated[tuple[models.Dependency, ...], Field(max_length=100)] = ()


FIELDS: Final = frozenset(
    name
    for model in (Text, models.Http, models.Limits, models.Permissions, models.Provider, models.Dependency,
                  ComponentSection, PythonSection, ImageSection, RemoteSection, ActionSection, ExampleSection,
                  FileSection, ProjectFile)
    for name in model.model_fields
)  # fmt: skip

EXAMPLES: Final = MANIFEST_EXAMPLES | {
    "component": '[component]\nid = "acme/oee"',
    "delivery": '"python"',
    "title": 'zh = "设备综合效率"\nen = "Overall equipment effectiveness"',
    "summary": 'zh = "一句话说明用途"\nen = "One sentence that says what it is for"',
    "provider": '[provider]\nname = { zh = "示例公司", en = "Example Ltd" }\ncontact = "support@example.com"',
    "python": '[python]\nentry = "acme_oee"',
    "image": '[image]\nreference = "local/oee:1.0.0"',
    "remote": '[remote]\nurl = "https://api.example.com"',
    "remote.url": "https://api.example.com",
    "reference": "local/oee:1.0.0",
    "layout": "image",
    "http": "[python.http]\nport = 8080",
    "actions.input": "schemas/calculate.input.json",
    "actions.output": "schemas/calculate.output.json",
    "examples.input": "examples/calculate.in.json",
    "examples.output": "examples/calculate.out.json",
    "examples.name": "published example",
}
