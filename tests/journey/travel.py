"""The journey itself: developer, provincial center, industry brain, enterprise, all through the real command line."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import httpx

from tests.journey.components import TRAVELLERS, Traveller, check_answer
from tests.journey.narration import Narrator
from tests.support.center import RunningCenter, capmart
from tests.support.engine import engine_missing
from tests.support.processes import CAPMART, Process, free_port

PROVINCE, BRAIN = "center.zhejiang.example", "brain.motor.example"
DEVELOPER_PASSWORD, REVIEWER_PASSWORD = "developer-2026", "reviewer-2026"
_SYNC_S = 60.0


class Journey:
    """Everything under one folder, which it empties first.

    Args:
        folder: of the run.
        narrator: says what happens.
        travellers: the components that make the journey.
    """

    def __init__(self, folder: Path, narrator: Narrator, travellers: tuple[Traveller, ...] = TRAVELLERS) -> None:
        self.folder = folder
        self.say = narrator
        self.travellers = travellers
        self.runner = "process" if engine_missing() else "docker"
        self.where = ("the sandbox", "沙箱中") if self.runner == "docker" else ("a plain process", "普通进程中")
        common = {
            "CAPMART_RUNNER": self.runner,
            "CAPMART_SANDBOX_PROCESS_NAMESPACES": "capmart" if self.runner == "process" else "",
            "CAPMART_LANG": "en",
        }
        self.developer = {**common, "CAPMART_HOME": str(folder / "developer")}
        self.enterprise = {
            **common,
            "CAPMART_HOME": str(folder / "enterprise"),
            "CAPMART_NODE": str(folder / "enterprise" / "node"),
        }
        trusted = '["capmart"]' if self.runner == "process" else "[]"
        self.center_env = {
            **common,
            "CAPMART_CENTER_PROCESS_NAMESPACES": trusted,
            "CAPMART_CENTER_SYNC_INTERVAL_S": "0.5",
        }
        self.province: RunningCenter | None = None
        self.brain: RunningCenter | None = None
        self.tokens: dict[str, str] = {}
        self.answers: dict[str, list[float]] = {}

    def travel(self) -> None:
        """Walk all of it; fails at the first thing that is not as it must be."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self._say_runner()
        province = self._open_province()
        self._settle_developer(province)
        for traveller in self.travellers:
            self._publish(province, traveller)
        brain = self._open_brain(province)
        self._sync(province, brain)
        self._install(province, brain)
        for traveller in self.travellers:
            self._call(traveller)
        self._visit_application()
        self._verify(brain)

    def stop(self) -> None:
        """End every process; stopping twice is harmless."""
        for center in (self.brain, self.province):
            if center is not None:
                center.stop()

    def _say_runner(self) -> None:
        if self.runner == "docker":
            self.say.heading(
                "A Docker engine answers: components run in containers.", "检测到 Docker 引擎：组件在容器中运行。"
            )
        else:
            self.say.heading(
                "NO DOCKER ENGINE ANSWERS. The first-party components run as ordinary processes, without isolation.",
                "未检测到 Docker 引擎。第一方组件将以普通进程运行，没有隔离。",
            )

    def _open_province(self) -> RunningCenter:
        with self.say.step("The province opens its capability center", "省级能力中心开张"):
            self.province = RunningCenter.make(
                self.folder / "province",
                PROVINCE,
                title_zh="浙江省产业大脑能力中心",
                title_en="Zhejiang capability center",
                env=self.center_env,
            ).start()
            self.say.say(f"{self.province.url}  {PROVINCE}", f"{self.province.url}  {PROVINCE}")
            self.say.say(f"log key {self.province.fingerprint}", f"日志密钥指纹 {self.province.fingerprint}")
        return self.province

    def _settle_developer(self, province: RunningCenter) -> None:
        with self.say.step(
            "The center registers a developer and a reviewer; the developer makes a key",
            "中心登记开发者与评审员；开发者生成发布密钥",
        ):
            scopes = ("read", "push", "publish", "namespace")
            token = province.add_account(
                "developer", org="capmart", role="developer", password=DEVELOPER_PASSWORD, scopes=scopes
            )
            self.tokens["reviewer"] = province.add_account(
                "reviewer", org="review-office", role="reviewer", password=REVIEWER_PASSWORD, scopes=("read", "review")
            )
            province.operate("namespace", "grant", "capmart", "--org", "capmart")
            capmart("key", "new", "publisher", env=self.developer)
            capmart("login", province.url, env=self.developer, given=f"{token}\n")
            capmart("key", "add", "capmart", "--center", province.url, "--key", "publisher", env=self.developer)
            self.say.checked(
                "namespace and key are entries of the province's log", "命名空间与密钥均已写入省级中心日志"
            )

    def _publish(self, province: RunningCenter, traveller: Traveller) -> None:
        package = self.folder / "packages" / f"{traveller.id.replace('/', '-')}.tar"
        package.parent.mkdir(exist_ok=True)
        with self.say.step(f"The developer packs and publishes {traveller.id}", f"开发者打包并发布 {traveller.id}"):
            capmart("pack", traveller.project, "--out", package, env=self.developer)
            self.say.checked(f"schemas were made in {self.where[0]}", f"数据模式在{self.where[1]}生成")
            done = capmart(
                "publish", package, "--center", province.url, "--key", "publisher", "--json", env=self.developer
            )
            submission = json.loads(done.stdout)
            assert submission["state"] == "in_review", submission
            self.say.checked(
                f"checked by the center's worker, its examples executed in {self.where[0]}",
                f"中心已完成检测，并在{self.where[1]}实际运行了示例",
            )
            path = f"/api/v1/submissions/{submission['id']}/approve"
            verdict = province.api("POST", path, token=self.tokens["reviewer"], body={})
            assert verdict["state"] == "listed", verdict
            self.say.checked(
                f"approved by a reviewer, listed as entry {verdict['log_index']} of the log",
                f"评审通过，已上架，日志第 {verdict['log_index']} 条",
            )

    def _open_brain(self, province: RunningCenter) -> RunningCenter:
        with self.say.step(
            "An industry brain opens its own center and follows the province", "行业产业大脑开设中心并同步省级中心"
        ):
            self.brain = RunningCenter.make(
                self.folder / "brain",
                BRAIN,
                title_zh="电机产业大脑能力中心",
                title_en="Motor industry brain",
                env=self.center_env,
            )
            self.brain.operate("upstream", "add", province.url, "--fingerprint", province.fingerprint)
            self.brain.start()
            self.say.say(f"{self.brain.url}  {BRAIN}", f"{self.brain.url}  {BRAIN}")
        return self.brain

    def _sync(self, province: RunningCenter, brain: RunningCenter) -> None:
        with self.say.step("The brain syncs the province's catalog", "产业大脑同步省级目录"):
            assert brain.worker is not None
            brain.worker.wait_until(
                lambda: all(self._is_mirrored(brain, one) for one in self.travellers), timeout_s=_SYNC_S
            )
            size = int(_text(f"{province.url}/log/checkpoint").splitlines()[1])
            relayed = int(_text(f"{brain.url}/log/origins/{PROVINCE}/checkpoint").splitlines()[1])
            assert relayed == size, (relayed, size)
            self.say.checked(
                f"{size} entries verified against the signed root, contents mirrored by digest",
                f"{size} 条日志已对照签名根哈希核验，内容按摘要镜像",
            )

    def _is_mirrored(self, brain: RunningCenter, traveller: Traveller) -> bool:
        answer = httpx.get(f"{brain.url}/api/v1/components/{traveller.id}", timeout=10)
        return answer.status_code == 200 and all(one["available"] for one in answer.json()["releases"])

    def _install(self, province: RunningCenter, brain: RunningCenter) -> None:
        with self.say.step("An enterprise installs from the brain's center", "企业从产业大脑中心安装组件"):
            for origin, fingerprint in ((BRAIN, brain.fingerprint), (PROVINCE, province.fingerprint)):
                capmart(
                    "trust", "add", brain.url, "--origin", origin, "--fingerprint", fingerprint, env=self.enterprise
                )
            wanted = [f"{one.id}@^1" for one in self.travellers]
            capmart("install", *wanted, "--center", brain.url, "--yes", env=self.enterprise)
            self.say.checked(
                "publisher's signature, the province's log, every digest and the runtime",
                "已校验发布者签名、省级日志、全部摘要与运行时",
            )

    def _call(self, traveller: Traveller) -> None:
        with self.say.step(f"The enterprise runs {traveller.id}", f"企业运行 {traveller.id}"):
            done = capmart("call", traveller.id, traveller.action, "--input", traveller.input, env=self.enterprise)
            values = check_answer(traveller, json.loads(done.stdout))
            self.answers[traveller.id] = values
            self.say.checked(traveller.en.format(*values), traveller.zh.format(*values))

    def _visit_application(self) -> None:
        found = next((one for one in self.travellers if one.application), None)
        if found is None:
            return
        with self.say.step(
            "The enterprise opens the application's page on its own origin", "企业在独立域上打开应用页面"
        ):
            port = free_port()
            namespace, _, name = found.id.partition("/")
            host = f"{name}--{namespace}.localhost:{port}"
            gateway = Process(
                [CAPMART, "serve", "--port", str(port)],
                log=self.folder / "gateway.log",
                env={**os.environ, **self.enterprise},
            )
            with gateway:
                gateway.wait_for_url(f"http://localhost:{port}/components")
                page = _text(f"http://127.0.0.1:{port}/", host=host)
                assert "<html" in page.lower(), page[:500]
            self.say.checked(f"http://{host}/", f"http://{host}/")

    def _verify(self, brain: RunningCenter) -> None:
        with self.say.step("The enterprise verifies everything again", "企业复核全部内容"):
            done = capmart("verify", "--center", brain.url, "--json", env=self.enterprise)
            assert json.loads(done.stdout), done.stdout
            self.say.checked("all in order", "全部正常")


def _text(url: str, *, host: str | None = None) -> str:
    answer = httpx.get(url, headers={} if host is None else {"Host": host}, timeout=20)
    answer.raise_for_status()
    return answer.text
