"""The one exception tree of Capmart, grouped by what the caller should do next.

::

    CapmartError
    ├── InvalidInput         change what was sent (exit code 2)
    │   ├── InvalidIdentifier, InvalidVersion, InvalidRange, InvalidManifest, InvalidProject,
    │   ├── InvalidPackage, PackageIncomplete, InvalidStatement, InvalidJson, InvalidSchema, InvalidKey, InputRejected,
    │   ├── InvalidRequest, TooLarge, SettingsInvalid, CenterNotNamed
    ├── Refused              verification or policy said no; do not retry (exit code 3)
    │   ├── DigestMismatch, SignatureInvalid, KeyNotGranted, KeyRevoked, NotInLog, LogRollback, LogFork,
    │   ├── LogFrozen, LogCorrupt, ClockWrong, RuntimeMismatch, NamespaceNotHome, OriginNotTrusted, FingerprintMismatch,
    │   ├── NotAuthenticated, NotAllowed, ReleaseImmutable, ReleaseNotInstallable, NotIsolated, SchemaMismatch
    ├── NotFound             it is not there (exit code 4)
    │   ├── BlobNotFound, ComponentNotFound, ActionNotFound, DriverNotFound, DriverBroken, NotInstalled, KeyNotNamed
    ├── Conflict             somebody was first, or the state does not allow it (exit code 5)
    │   ├── VersionExists, StatementReplayed, StateConflict, Unresolvable
    ├── Unavailable          try again later (exit code 6)
    │   ├── EngineUnavailable, CenterUnavailable, StoreFull, Busy, BaseImageUnavailable
    └── ComponentFailed      the component did wrong; that call ended, nothing else did (exit code 7)
        └── CallTimeout, OutOfMemory, Crashed, NoResult, BadResult, OutputTooLarge, ComponentRaised, Unhealthy

Each leaf has a stable ``code``, a message and an advice in Chinese and English; its keyword arguments are its data.
Names in the templates' braces are the keyword arguments a raiser must give. A value that reads otherwise in Chinese,
such as a reason, is given twice: ``reason`` and ``reason_zh``.
"""

from __future__ import annotations

from typing import ClassVar

from capmart_core.text import Language


class CapmartError(Exception):
    """Base of every error that Capmart raises on purpose.

    Args:
        data: the values that the templates name; kept in ``data`` for programs.
    """

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1
    en: ClassVar[str] = "{reason}"
    zh: ClassVar[str] = "{reason}"
    advice_en: ClassVar[str] = ""
    advice_zh: ClassVar[str] = ""

    def __init__(self, **data: object) -> None:
        self.data = data
        super().__init__(self.message("en"))

    def message(self, language: Language) -> str:
        """What was wrong, in ``language``."""
        return _fill(self.zh if language == "zh" else self.en, self._spelled(language))

    def advice(self, language: Language) -> str:
        """What to do next, in ``language``; empty when the message says it."""
        return _fill(self.advice_zh if language == "zh" else self.advice_en, self._spelled(language))

    def _spelled(self, language: Language) -> dict[str, object]:
        if language != "zh":
            return self.data
        chinese = {name.removesuffix("_zh"): value for name, value in self.data.items() if name.endswith("_zh")}
        return self.data | chinese


def _fill(template: str, data: dict[str, object]) -> str:
    return template.format_map({name: str(value) for name, value in data.items()})


class InvalidInput(CapmartError):
    """Change what was sent."""

    code = "invalid_input"
    exit_code = 2


class InvalidIdentifier(InvalidInput):
    """A name, digest, origin or runtime is not well formed."""

    code = "invalid_identifier"
    en = "{what} {value!r} is not well formed: expected {expected}"
    zh = "{what} {value!r} 格式不正确：应为 {expected}"
    advice_en = "For example: {example}"
    advice_zh = "例如：{example}"


class InvalidVersion(InvalidInput):
    """Not a semantic version."""

    code = "invalid_version"
    en = "{value!r} is not a semantic version (semver.org 2.0.0)"
    zh = "{value!r} 不是语义化版本号（semver.org 2.0.0）"
    advice_en = "Write MAJOR.MINOR.PATCH, for example 1.2.0 or 2.0.0-rc.1"
    advice_zh = "请写成 主版本.次版本.修订号，例如 1.2.0 或 2.0.0-rc.1"


class InvalidRange(InvalidInput):
    """Not a version range."""

    code = "invalid_range"
    en = "{value!r} is not a version range: {reason}"
    zh = "{value!r} 不是版本范围：{reason}"
    advice_en = "For example: ^1.2, ~1.2.3, >=1.0,<2.0, =1.4.0 or *"
    advice_zh = "例如：^1.2、~1.2.3、>=1.0,<2.0、=1.4.0 或 *"


class InvalidManifest(InvalidInput):
    """One or more fields of a manifest or project file are wrong; ``problems`` lists them all."""

    code = "invalid_manifest"
    en = "{count} problem(s) in {file}"
    zh = "{file} 有 {count} 处问题"
    advice_en = "Mend each problem listed, then run the command again"
    advice_zh = "请逐一修正所列问题后重新运行"


class InvalidProject(InvalidManifest):
    """The author's project folder is malformed; ``problems`` lists everything found."""

    code = "invalid_project"


class InvalidPackage(InvalidInput):
    """A package file is not what ``capmart pack`` writes."""

    code = "invalid_package"
    en = "{file} is not a valid package: {reason}"
    zh = "{file} 不是有效的组件包：{reason}"
    advice_en = "Build it again with: capmart pack"
    advice_zh = "请用 capmart pack 重新打包"


class PackageIncomplete(InvalidInput):
    """Content that a package names was not sent to the center."""

    code = "package_incomplete"
    en = "the center lacks {count} part(s) of {release}: {missing}"
    zh = "中心缺少 {release} 的 {count} 个部分：{missing}"
    advice_en = "Send it again with: capmart publish; what is there already is not sent twice"
    advice_zh = "请重新运行 capmart publish；已有内容不会重复传输"


class InvalidStatement(InvalidInput):
    """A signed statement or log entry does not parse or lacks a field."""

    code = "invalid_statement"
    en = "the statement is not valid: {reason}"
    zh = "声明无效：{reason}"
    advice_en = "Sign and send it again with a current capmart"
    advice_zh = "请用当前版本的 capmart 重新签名并提交"


class InvalidJson(InvalidInput):
    """Bytes are not JSON, or JSON beyond the bounds on size and depth."""

    code = "invalid_json"
    en = "{what} is not acceptable JSON: {reason}"
    zh = "{what} 不是可接受的 JSON：{reason}"
    advice_en = "Send UTF-8 JSON within the size and depth that the reason names"
    advice_zh = "请发送 UTF-8 JSON，且大小与嵌套深度不超过所列限制"


class InvalidKey(InvalidInput):
    """A key's text or file cannot be read."""

    code = "invalid_key"
    en = "{what} is not a usable key: {reason}"
    zh = "{what} 不是可用的密钥：{reason}"
    advice_en = (
        "A public key is spelled ed25519: and base64; a private key is a PKCS#8 PEM file made by: capmart key new"
    )
    advice_zh = "公钥写作 ed25519: 加 base64；私钥是由 capmart key new 生成的 PKCS#8 PEM 文件"


class InvalidSchema(InvalidInput):
    """A JSON Schema cannot be used."""

    code = "invalid_schema"
    en = "the JSON Schema cannot be used, at {path}: {reason}"
    zh = "JSON Schema 不可用，位置 {path}：{reason}"
    advice_en = "Write JSON Schema 2020-12 without references to other documents and without look-around in patterns"
    advice_zh = "请使用 JSON Schema 2020-12，不要引用其他文档，正则中不要使用环视"


class InputRejected(InvalidInput):
    """The input of a call does not match the action's schema."""

    code = "input_rejected"
    en = "the input of {action} is not valid at {path}: {reason}"
    zh = "{action} 的输入在 {path} 处无效：{reason}"
    advice_en = "See the action's fields with: capmart show {component}"
    advice_zh = "用 capmart show {component} 查看该动作的字段"


class TooLarge(InvalidInput):
    """Something from outside is over its size limit."""

    code = "too_large"
    en = "{what} is larger than the limit of {limit} bytes"
    zh = "{what} 超过 {limit} 字节的上限"
    advice_en = "Send less, or ask the operator to raise the limit"
    advice_zh = "请减小内容，或请运营方提高上限"


class SettingsInvalid(InvalidInput):
    """A setting has a value that cannot work."""

    code = "settings_invalid"
    en = "setting {name} is not valid: {reason}"
    zh = "设置项 {name} 无效：{reason}"
    advice_en = "See the table of settings in the folder's README"
    advice_zh = "请查看该目录 README 中的设置表"


class CenterNotNamed(InvalidInput):
    """A command needs a center, and it is not clear which one is meant; ``known`` names those that it could be."""

    code = "center_not_named"
    en = "it is not clear which center is meant; known here: {known}"
    zh = "无法确定所指的能力中心；本机已知：{known}"
    advice_en = "Name it with --center URL or CAPMART_CENTER, or first: capmart login URL, capmart trust add URL"
    advice_zh = "请用 --center URL 或 CAPMART_CENTER 指明；或先执行 capmart login URL、capmart trust add URL"


class InvalidRequest(InvalidInput):
    """An HTTP request lacks something or has something that its interface does not allow."""

    code = "invalid_request"
    en = "the request is not valid at {where}: {reason}"
    zh = "请求在 {where} 处无效：{reason}"
    advice_en = "Compare it with the interface described at /api/openapi.json"
    advice_zh = "请对照 /api/openapi.json 中的接口说明"


class Refused(CapmartError):
    """Verification or policy said no."""

    code = "refused"
    exit_code = 3


class DigestMismatch(Refused):
    """Content is not what its digest says."""

    code = "digest_mismatch"
    en = "{what} was altered: expected {expected}, got {actual}"
    zh = "{what} 已被改动：应为 {expected}，实为 {actual}"
    advice_en = "Nothing was installed. Fetch it again; if it stays so, tell the center and the publisher"
    advice_zh = "未安装任何内容。请重新获取；若仍如此，请告知能力中心与发布者"


class SignatureInvalid(Refused):
    """A signature does not verify."""

    code = "signature_invalid"
    en = "the signature on {what} does not verify: {reason}"
    zh = "{what} 的签名校验不通过：{reason}"
    advice_en = "Do not use it; fetch it again from a center you trust"
    advice_zh = "请勿使用；请从可信的能力中心重新获取"


class KeyNotGranted(Refused):
    """Signed by a key that the namespace does not have in its home log."""

    code = "key_not_granted"
    en = "{what} is signed by key {keyid}, which namespace {namespace} does not have"
    zh = "{what} 由密钥 {keyid} 签名，而命名空间 {namespace} 没有该密钥"
    advice_en = "The namespace's owner adds a key with: capmart key add {namespace}"
    advice_zh = "命名空间所有者可用 capmart key add {namespace} 登记密钥"


class KeyRevoked(Refused):
    """Signed by a key after the log index from which it was revoked."""

    code = "key_revoked"
    en = "{what} is signed by key {keyid}, revoked from log index {from_index} on"
    zh = "{what} 由密钥 {keyid} 签名，该密钥自日志序号 {from_index} 起已吊销"
    advice_en = "Ask the publisher for a release signed with a current key"
    advice_zh = "请向发布者索取用现行密钥签名的版本"


class NotInLog(Refused):
    """A release that no trusted log contains."""

    code = "not_in_log"
    en = "{what} is not in the log of {origin}"
    zh = "{what} 不在 {origin} 的日志中"
    advice_en = "Do not install it: a release that is listed is always in the log. Tell the center's operator"
    advice_zh = "请勿安装：已上架的版本必在日志中。请告知能力中心运营方"


class LogRollback(Refused):
    """A log shows fewer entries than it did before."""

    code = "log_rollback"
    en = "the log of {origin} was rolled back: {size} entries served, {known} already seen"
    zh = "{origin} 的日志被回滚：现有 {size} 条，此前已见 {known} 条"
    advice_en = "State was kept and nothing applied. Ask the operator of {origin}; the evidence is kept in {evidence}"
    advice_zh = "状态已保留，未应用任何内容。请联系 {origin} 的运营方；证据保存在 {evidence}"


class LogFork(Refused):
    """A log shows two histories that contradict each other."""

    code = "log_fork"
    en = "the log of {origin} shows two different histories at size {size}"
    zh = "{origin} 的日志在 {size} 条处出现两段不同的历史"
    advice_en = "Stop using this center until it is explained; both checkpoints are kept in {evidence}"
    advice_zh = "在查明之前请停止使用该中心；两份检查点均保存在 {evidence}"


class LogFrozen(Refused):
    """A log's checkpoint is older than the policy allows."""

    code = "log_frozen"
    en = "the checkpoint of {origin} is from {at}, older than the {limit} allowed"
    zh = "{origin} 的检查点时间为 {at}，超过允许的 {limit}"
    advice_en = "Check this machine's clock, then the center: it may be hiding newer entries, recalls among them"
    advice_zh = "请先检查本机时钟，再检查该中心：它可能隐藏了更新的条目（包括召回）"


class LogCorrupt(Refused):
    """Entries or tiles do not add up to the signed root."""

    code = "log_corrupt"
    en = "the log of {origin} does not add up: {reason}"
    zh = "{origin} 的日志无法对上：{reason}"
    advice_en = "Nothing was applied. Try again; if it stays so, ask the log's home center"
    advice_zh = "未应用任何内容。请重试；若仍如此，请联系该日志的归属中心"


class ClockWrong(Refused):
    """A signature is from the future: this machine's clock, or the signer's, is wrong."""

    code = "clock_wrong"
    en = "{what} is dated {at}, but this machine's clock says {now}"
    zh = "{what} 的时间为 {at}，而本机时钟为 {now}"
    advice_en = "Set this machine's clock (UTC), then run the command again; nothing was changed"
    advice_zh = "请校准本机时钟（UTC）后重新运行；未做任何更改"


class RuntimeMismatch(Refused):
    """No runtime of the release can run here."""

    code = "runtime_mismatch"
    en = "{component} needs runtime {needed}; this machine offers {offered}"
    zh = "{component} 需要运行时 {needed}；本机提供 {offered}"
    advice_en = "Install a base image with that runtime, or ask the publisher for a release for this one: {missing}"
    advice_zh = "请安装具有该运行时的基础镜像，或请发布者提供适配版本：{missing}"


class NamespaceNotHome(Refused):
    """A log claims a namespace whose home is another log."""

    code = "namespace_not_home"
    en = "{origin} claims namespace {namespace}, whose home is {home}"
    zh = "{origin} 声称拥有命名空间 {namespace}，但其归属为 {home}"
    advice_en = "Refused whatever its version. Publish to the namespace's home center"
    advice_zh = "无论版本均予拒绝。请发布到该命名空间的归属中心"


class OriginNotTrusted(Refused):
    """Nobody on this machine said that this center is to be trusted."""

    code = "origin_not_trusted"
    en = "the center {origin} is not trusted here (fingerprint {fingerprint})"
    zh = "本机尚未信任中心 {origin}（指纹 {fingerprint}）"
    advice_en = "Compare the fingerprint by another way, then: capmart trust add {url} --fingerprint {fingerprint}"
    advice_zh = "请以其他途径核对指纹，然后运行：capmart trust add {url} --fingerprint {fingerprint}"


class FingerprintMismatch(Refused):
    """The center's key is not the one that was expected."""

    code = "fingerprint_mismatch"
    en = "the key of {origin} has fingerprint {actual}, not {expected}"
    zh = "{origin} 的密钥指纹为 {actual}，而非 {expected}"
    advice_en = "Do not continue: either the address or the fingerprint is wrong, or somebody is in between"
    advice_zh = "请勿继续：地址或指纹有误，或有人居中篡改"


class NotAuthenticated(Refused):
    """No token or password, or one that is wrong, expired or revoked."""

    code = "not_authenticated"
    en = "you are not signed in to {center}, or the token is wrong, expired or revoked"
    zh = "尚未登录 {center}，或令牌错误、过期、已吊销"
    advice_en = "Get a token from the center, then: capmart login {center}"
    advice_zh = "请向能力中心获取令牌，然后运行：capmart login {center}"


class NotAllowed(Refused):
    """Signed in, but not entitled to do this."""

    code = "not_allowed"
    en = "you may not {action}"
    zh = "无权执行：{action}"
    advice_en = "It needs {needed}"
    advice_zh = "需要 {needed}"


class ReleaseImmutable(Refused):
    """A logged release cannot be overwritten or deleted."""

    code = "release_immutable"
    en = "{release} is in the log and cannot be changed or removed"
    zh = "{release} 已入日志，不可更改或删除"
    advice_en = "Publish a new version; withdraw the old one with: capmart yank {release}"
    advice_zh = "请发布新版本；撤回旧版本：capmart yank {release}"


class ReleaseNotInstallable(Refused):
    """The release's state forbids new installs."""

    code = "release_not_installable"
    en = "{release} cannot be installed: it is {state}. {reason}"
    zh = "{release} 不可安装：状态为 {state}。{reason}"
    advice_en = "Choose another version with: capmart show {component}"
    advice_zh = "请选择其他版本：capmart show {component}"


class NotIsolated(Refused):
    """The process runner was asked to run a component that the operator did not name as trusted."""

    code = "not_isolated"
    en = "{component} would run without isolation, and namespace {namespace} is not in process_namespaces"
    zh = "{component} 将在无隔离下运行，而命名空间 {namespace} 不在 process_namespaces 中"
    advice_en = "Install a Docker engine, or add the namespace if you trust its code as your own"
    advice_zh = "请安装 Docker 引擎；若您像信任自有代码一样信任它，可将该命名空间加入设置"


class SchemaMismatch(Refused):
    """The database was made by an older or a newer program."""

    code = "schema_mismatch"
    en = "the database has schema {found}, {age} than this program's {wanted}"
    zh = "数据库结构版本为 {found}，与本程序的 {wanted} 不一致（{age}）"
    advice_en = "An older one is moved forward with: capmart center migrate. For a newer one, install the newer program"
    advice_zh = "旧结构请运行：capmart center migrate 升级；若数据库较新，请安装新版程序"


class NotFound(CapmartError):
    """It is not there."""

    code = "not_found"
    exit_code = 4
    en = "{what} was not found"
    zh = "未找到 {what}"


class KeyNotNamed(NotFound):
    """A command needs a publisher key, and there is none or more than one; ``known`` names those there are."""

    code = "key_not_named"
    en = "it is not clear which publisher key to use; known here: {known}"
    zh = "无法确定使用哪个发布密钥；本机已有：{known}"
    advice_en = "Name it with --key NAME, or make one with: capmart key new NAME"
    advice_zh = "请用 --key NAME 指明；若没有，请运行：capmart key new NAME"


class BlobNotFound(NotFound):
    """No blob with this digest."""

    code = "blob_not_found"
    en = "blob {digest} is not in {store}"
    zh = "{store} 中没有数据块 {digest}"


class ComponentNotFound(NotFound):
    """No component, or no version of it, matches."""

    code = "component_not_found"
    en = "no component matches {wanted} at {center}"
    zh = "{center} 中没有与 {wanted} 匹配的组件"
    advice_en = "Look for it with: capmart search WORDS"
    advice_zh = "可用 capmart search 关键词 查找"


class ActionNotFound(NotFound):
    """The component has no such action."""

    code = "action_not_found"
    en = "{component} has no action {action!r}; it has: {actions}"
    zh = "{component} 没有动作 {action!r}；可用：{actions}"


class DriverNotFound(NotFound):
    """No installed distribution offers this driver."""

    code = "driver_not_found"
    en = "no driver {name!r} for {group}; installed: {installed}"
    zh = "{group} 没有名为 {name!r} 的驱动；已安装：{installed}"
    advice_en = "Install the distribution that offers it, or choose one of those installed"
    advice_zh = "请安装提供该驱动的软件包，或改用已安装的驱动"


class DriverBroken(NotFound):
    """A distribution offers this driver, but it cannot be used."""

    code = "driver_broken"
    en = "driver {name!r} for {group} is installed but cannot be loaded: {reason}"
    zh = "{group} 的驱动 {name!r} 已安装但无法加载：{reason}"
    advice_en = "Install the distribution that offers it again, with its dependencies"
    advice_zh = "请重新安装提供该驱动的软件包及其依赖"


class NotInstalled(NotFound):
    """The component is not installed in this node."""

    code = "not_installed"
    en = "{component} is not installed here"
    zh = "本机未安装 {component}"
    advice_en = "Install it with: capmart install {component}"
    advice_zh = "请运行：capmart install {component}"


class Conflict(CapmartError):
    """Somebody was first, or the state does not allow it."""

    code = "conflict"
    exit_code = 5


class VersionExists(Conflict):
    """The version is taken; a version is never reused."""

    code = "version_exists"
    en = "{release} already exists with digest {digest}"
    zh = "{release} 已存在，摘要为 {digest}"
    advice_en = "Raise the version and publish again"
    advice_zh = "请提高版本号后重新发布"


class StatementReplayed(Conflict):
    """A statement's sequence number is not above the last accepted one: it was logged before, or came too late."""

    code = "statement_replayed"
    en = "the statement about {release} has sequence number {seq}, and {last} was accepted before"
    zh = "关于 {release} 的声明序号为 {seq}，而此前已接受 {last}"
    advice_en = "Sign a new statement with a higher sequence number"
    advice_zh = "请用更大的序号重新签署声明"


class StateConflict(Conflict):
    """The thing is not in a state in which this can be done."""

    code = "state_conflict"
    en = "{what} is {state}; {action} needs it to be {needed}"
    zh = "{what} 处于 {state}；{action} 要求其处于 {needed}"


class Unresolvable(Conflict):
    """No set of versions satisfies all ranges."""

    code = "unresolvable"
    en = "no set of versions satisfies everything asked for: {reason}"
    zh = "没有能同时满足所有要求的版本组合：{reason}"
    advice_en = "Widen a range or choose other versions"
    advice_zh = "请放宽某个范围或选择其他版本"


class Unavailable(CapmartError):
    """Try again later."""

    code = "unavailable"
    exit_code = 6


class EngineUnavailable(Unavailable):
    """No container engine answers."""

    code = "engine_unavailable"
    en = "no Docker engine answers: {reason}"
    zh = "Docker 引擎无响应：{reason}"
    advice_en = "Install and start Docker; without it only trusted components run, in the process runner"
    advice_zh = "请安装并启动 Docker；否则只有受信任的组件可用进程方式运行"


class CenterUnavailable(Unavailable):
    """A center does not answer, or answers what is no center's."""

    code = "center_unavailable"
    en = "{center} cannot be reached: {reason}"
    zh = "无法连接 {center}：{reason}"
    advice_en = "Check the address and the network, then run the command again: it goes on where it stopped"
    advice_zh = "请检查地址与网络后重新运行：会从中断处继续"


class StoreFull(Unavailable):
    """No room left for what must be written."""

    code = "store_full"
    en = "no room left in {store}: {reason}"
    zh = "{store} 空间不足：{reason}"
    advice_en = "Free some room, then run the command again"
    advice_zh = "请腾出空间后重新运行"


class Busy(Unavailable):
    """Too much is under way; ``retry_after`` seconds says when to come back."""

    code = "busy"
    en = "{what} is busy"
    zh = "{what} 正忙"
    advice_en = "Try again in {retry_after} s"
    advice_zh = "请在 {retry_after} 秒后重试"


class BaseImageUnavailable(Unavailable):
    """The base image can neither be pulled nor built here."""

    code = "base_image_unavailable"
    en = "the base image {image} can neither be pulled nor built: {reason}"
    zh = "基础镜像 {image} 既无法拉取也无法构建：{reason}"
    advice_en = "Load it from a bundle, or build it with: capmart doctor --build-base"
    advice_zh = "请从离线包导入，或运行：capmart doctor --build-base"


class ComponentFailed(CapmartError):
    """The component did wrong; its call ended, the node and its neighbours go on."""

    code = "component_failed"
    exit_code = 7


class CallTimeout(ComponentFailed):
    """The call was ended at its deadline."""

    code = "timeout"
    en = "{component} {action} was ended at its deadline of {deadline} s"
    zh = "{component} {action} 在 {deadline} 秒时限到达后被终止"
    advice_en = "Send less input, or ask the publisher for a higher limit"
    advice_zh = "请减少输入，或请发布者提高时限"


class OutOfMemory(ComponentFailed):
    """The call used more memory than its limit."""

    code = "oom"
    en = "{component} {action} used more than its {limit} MiB of memory"
    zh = "{component} {action} 超出 {limit} MiB 的内存上限"
    advice_en = "Send less input, or ask the publisher for a higher limit"
    advice_zh = "请减少输入，或请发布者提高内存上限"


class Crashed(ComponentFailed):
    """The component's process died by a signal or an exit code."""

    code = "crashed"
    en = "{component} {action} crashed: {reason}"
    zh = "{component} {action} 崩溃：{reason}"
    advice_en = "Report it to the publisher with this input"
    advice_zh = "请将此输入一并反馈给发布者"


class NoResult(ComponentFailed):
    """The component ended without an answer."""

    code = "no_result"
    en = "{component} {action} ended without a result"
    zh = "{component} {action} 未返回结果即结束"
    advice_en = "Report it to the publisher with this input"
    advice_zh = "请将此输入一并反馈给发布者"


class BadResult(ComponentFailed):
    """The component's answer is not JSON, or not what its schema says."""

    code = "bad_result"
    en = "{component} {action} returned something its schema does not allow: {reason}"
    zh = "{component} {action} 返回的结果不符合其模式：{reason}"
    advice_en = "Report it to the publisher with this input"
    advice_zh = "请将此输入一并反馈给发布者"


class OutputTooLarge(ComponentFailed):
    """The component's answer is over its size limit."""

    code = "output_too_large"
    en = "{component} {action} returned more than {limit} bytes"
    zh = "{component} {action} 返回超过 {limit} 字节"
    advice_en = "Ask for less at once"
    advice_zh = "请减少单次请求量"


class ComponentRaised(ComponentFailed):
    """The component refused the input or failed with an exception of its own."""

    code = "component_raised"
    en = "{component} {action} failed: {reason}"
    zh = "{component} {action} 执行失败：{reason}"
    advice_en = "Check the input; if it is right, report it to the publisher"
    advice_zh = "请检查输入；若输入无误，请反馈给发布者"


class Unhealthy(ComponentFailed):
    """The component does not start: its import or its readiness failed."""

    code = "unhealthy"
    en = "{component} does not start: {reason}"
    zh = "{component} 无法启动：{reason}"
    advice_en = "Report it to the publisher"
    advice_zh = "请反馈给发布者"
