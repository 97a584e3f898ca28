"""The manifest: what a component says of itself. Its canonical JSON is the package's config blob."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from capmart_core.errors import InvalidInput
from capmart_core.identifiers import ComponentId, Runtime, check_action, check_digest
from capmart_core.text import Text
from capmart_core.versions import Range, parse_version

MAX_ACTIONS = 100
MAX_EXAMPLES = 100
MAX_FILES = 10_000

Kind = Literal["knowledge", "tool", "application"]


def _checked(parse: Callable[[str], object]) -> AfterValidator:
    """Let pydantic collect a parser's refusal with the others; alone it would end validation at the first."""

    def validate(text: str) -> str:
        try:
            return str(parse(text))
        except InvalidInput as error:
            raise custom_error(error.code, en=error.message("en"), zh=error.message("zh"), data=error.data) from error

    return AfterValidator(validate)


def custom_error(rule: str, *, en: str, zh: str, data: Mapping[str, object] | None = None) -> PydanticCustomError:
    """A validation error that says what is wrong in both languages; ``ctx`` carries the texts and the data."""
    return PydanticCustomError(rule, "{en}", {"en": en, "zh": zh, **(data or {})})


Id = Annotated[str, _checked(ComponentId.parse)]
VersionText = Annotated[str, _checked(parse_version)]
RangeText = Annotated[str, _checked(Range.parse)]
DigestText = Annotated[str, _checked(check_digest)]
ActionName = Annotated[str, _checked(check_action)]
RuntimeText = Annotated[str, _checked(Runtime.parse)]
Code = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
JsonSchema = dict[str, Any]
RelativePath = Annotated[str, Field(min_length=1, max_length=240, pattern=r"^[^/\\\x00-\x1f][^\\\x00-\x1f]*$")]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Action(_Strict):
    """One thing a component can do.

    Attributes:
        name: unique in the component.
        title: what a person reads.
        summary: what it is for.
        input: JSON Schema (2020-12) of the input, an object; properties carry ``title`` (English), ``x-title-zh``,
            ``x-unit`` and ``examples``.
        output: JSON Schema of the result.
        path: for components that speak HTTP, where the input is POSTed as JSON; the answer's JSON body is the result.
        idempotent: whether calling it twice does no more than calling it once, so that it may be retried.
    """

    name: ActionName
    title: Text
    summary: Text | None = None
    input: JsonSchema
    output: JsonSchema
    path: Annotated[str, Field(pattern=r"^/[^\s?#]{0,200}$")] | None = None
    idempotent: bool = True


class Example(_Strict):
    """An input and the output expected of it; executed by the center's worker, so that a listing never lies.

    Attributes:
        tolerance: the relative difference allowed between expected and actual numbers; 0 asks for equality.
    """

    name: Annotated[str, Field(min_length=1, max_length=100)]
    action: ActionName
    input: Any
    output: Any
    tolerance: Annotated[float, Field(ge=0, le=0.1)] = 0.0


class Limits(_Strict):
    """The most one instance may use. The runner enforces each and says which ended a call.

    Attributes:
        memory_mib: memory, swap off, in MiB.
        cpus: processors.
        pids: processes and threads.
        tmp_mib: size of /tmp in MiB.
        deadline_s: time for one call in seconds.
        output_kib: size of one result in KiB.
    """

    memory_mib: Annotated[int, Field(ge=32, le=65_536)] = 256
    cpus: Annotated[float, Field(ge=0.1, le=64)] = 1.0
    pids: Annotated[int, Field(ge=8, le=4096)] = 64
    tmp_mib: Annotated[int, Field(ge=1, le=4096)] = 16
    deadline_s: Annotated[float, Field(gt=0, le=3600)] = 10.0
    output_kib: Annotated[int, Field(ge=1, le=65_536)] = 4096


class Permissions(_Strict):
    """What widens the sandbox, one by one; everything is off by default and shown to the person before install.

    Attributes:
        network: hosts (``name:port``) that may be reached through the egress proxy.
        secrets: names of secrets that a call may be given.
        calls: components that it may call through the gateway.
        data: names of data folders that the node mounts read-only.
        storage_mib: size of its persistent volume in MiB; 0 for none.
    """

    network: tuple[Annotated[str, Field(pattern=r"^[a-z0-9.-]{1,253}:\d{1,5}$")], ...] = ()
    secrets: tuple[Code, ...] = ()
    calls: tuple[Id, ...] = ()
    data: tuple[Code, ...] = ()
    storage_mib: Annotated[int, Field(ge=0, le=1_048_576)] = 0


class Http(_Strict):
    """How an HTTP component is reached inside its container.

    Attributes:
        port: the TCP port it listens on, on the container's loopback; also given to it as ``CAPMART_PORT``.
        health: path that answers 200 once it is ready.
        page: path of its page for people; None when it has none.
    """

    port: Annotated[int, Field(ge=1024, le=65_535)] = 8080
    health: Annotated[str, Field(pattern=r"^/[^\s?#]{0,200}$")] = "/healthz"
    page: Annotated[str, Field(pattern=r"^/[^\s?#]{0,200}$")] | None = None


class PythonDelivery(_Strict):
    """Wheels, run by the guest in a base image.

    Attributes:
        entry: ``module`` whose actions are exported, or ``module:function`` that serves HTTP on ``CAPMART_PORT`` when
            ``http`` is given.
        runtimes: every runtime that the release has wheels for; one package manifest each.
        isolation: ``isolated`` forks per call; ``resident`` keeps state between calls of the same tenant.
    """

    type: Literal["python"] = "python"
    entry: Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*(:[A-Za-z_]\w*)?$")]
    runtimes: Annotated[tuple[RuntimeText, ...], Field(min_length=1, max_length=16)]
    isolation: Literal["isolated", "resident"] = "isolated"
    http: Http | None = None


class ImageDelivery(_Strict):
    """An OCI image in the same repository, in any language.

    Attributes:
        image: digest of the image's manifest or index.
        protocol: ``http``, or ``framed`` for the guest protocol on stdio.
    """

    type: Literal["image"] = "image"
    image: DigestText
    protocol: Literal["http", "framed"] = "http"
    http: Http | None = None

    @model_validator(mode="after")
    def _http_is_described(self) -> Self:
        if (self.protocol == "http") != (self.http is not None):
            raise custom_error(
                "image_http",
                en="an image that speaks http needs an http section, and only such an image",
                zh="protocol 为 http 的镜像必须有 http 段，且只有这种镜像可以有",
            )
        return self


class FilesDelivery(_Strict):
    """Documents and tables; no code."""

    type: Literal["files"] = "files"


class RemoteDelivery(_Strict):
    """Hosted by its publisher, reached only through the gateway."""

    type: Literal["remote"] = "remote"
    url: Annotated[str, Field(pattern=r"^https://[^\s]{1,2000}$")]


Delivery = Annotated[PythonDelivery | ImageDelivery | FilesDelivery | RemoteDelivery, Field(discriminator="type")]


class DataFile(_Strict):
    """One file of the package: a document or a table.

    Attributes:
        path: relative, with forward slashes.
        title: what a person reads.
        media_type: for example ``text/csv``.
        digest: of its content, a layer of the package.
        size: in bytes.
    """

    path: RelativePath
    title: Text | None = None
    media_type: Annotated[str, Field(pattern=r"^[\w.+-]+/[\w.+-]+$")]
    digest: DigestText
    size: Annotated[int, Field(ge=0)]

    @model_validator(mode="after")
    def _stays_inside(self) -> Self:
        if any(part in ("", ".", "..") for part in self.path.split("/")):
            raise custom_error(
                "path", en="a path may not contain empty, . or .. parts", zh="路径不得含有空段、. 或 .. 段"
            )
        return self


class Dependency(_Strict):
    """Another component that must be installed too."""

    id: Id
    range: RangeText


class Provider(_Strict):
    """Who answers for the component.

    Attributes:
        uscc: 统一社会信用代码 (GB 32100), 18 characters.
        contact: an address or telephone number for support.
    """

    name: Text
    uscc: Annotated[str, Field(pattern=r"^[0-9A-HJ-NPQRTUWXY]{18}$")] | None = None
    contact: Annotated[str, Field(min_length=3, max_length=200)]


class Taxonomy(_Strict):
    """Where the component stands in the catalog; every code comes from a versioned taxonomy file."""

    subkind: Code
    industries: Annotated[tuple[Code, ...], Field(max_length=41)] = ()
    scenarios: Annotated[tuple[Code, ...], Field(max_length=20)] = ()
    capabilities: Annotated[tuple[Code, ...], Field(max_length=20)] = ()
    tags: Annotated[tuple[Annotated[str, Field(min_length=1, max_length=40)], ...], Field(max_length=20)] = ()


class Manifest(_Strict):
    """What a component says of itself. Never a price: an offer has the price.

    Raises:
        pydantic.ValidationError: see :func:`capmart_core.manifest.read_manifest` for the form a person reads.
    """

    v: Literal[1] = 1
    id: Id
    version: VersionText
    kind: Kind
    title: Text
    summary: Text
    description: Text | None = None
    provider: Provider
    licence: Annotated[str, Field(min_length=1, max_length=200)]
    delivery: Delivery
    taxonomy: Taxonomy
    actions: Annotated[tuple[Action, ...], Field(max_length=MAX_ACTIONS)] = ()
    examples: Annotated[tuple[Example, ...], Field(max_length=MAX_EXAMPLES)] = ()
    files: Annotated[tuple[DataFile, ...], Field(max_length=MAX_FILES)] = ()
    limits: Limits = Limits()
    permissions: Permissions = Permissions()
    dependencies: Annotated[tuple[Dependency, ...], Field(max_length=100)] = ()
    standards: Annotated[tuple[Annotated[str, Field(max_length=100)], ...], Field(max_length=50)] = ()
    changelog: Text | None = None

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        names = [action.name for action in self.actions]
        if len(set(names)) != len(names):
            raise custom_error("duplicate", en="two actions have the same name", zh="有两个动作同名")
        unknown = ", ".join(sorted({example.action for example in self.examples} - set(names)))
        if unknown:
            raise custom_error(
                "unknown_action",
                en=f"examples name actions that do not exist: {unknown}",
                zh=f"示例引用了不存在的动作：{unknown}",
            )
        paths = [file.path for file in self.files]
        if len(set(paths)) != len(paths):
            raise custom_error("duplicate", en="two files have the same path", zh="有两个文件路径相同")
        if self.delivery.type == "files" and not self.files:
            raise custom_error(
                "no_files",
                en="a component delivered as files needs at least one file",
                zh="files 交付的组件至少要有一个文件",
            )
        if self.delivery.type == "files" and self.actions:
            raise custom_error(
                "no_actions", en="a component delivered as files has no actions", zh="files 交付的组件没有动作"
            )
        return self

    @property
    def component(self) -> ComponentId:
        """The parsed id."""
        return ComponentId.parse(self.id)

    def action(self, name: str) -> Action | None:
        """The action called ``name``, or None."""
        return next((action for action in self.actions if action.name == name), None)
