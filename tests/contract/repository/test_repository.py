"""What the repository promises of itself: documents in step, directions of imports, no address of a package index."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic_settings import BaseSettings

from capmart_core.hooks import hookspecs as core_hooks
from capmart_registry.hooks import hookspecs as center_hooks
from capmart_registry.settings import PREFIX as CENTER_PREFIX
from capmart_registry.settings import CenterSettings
from capmart_sandbox.settings import PREFIX as SANDBOX_PREFIX
from capmart_sandbox.settings import SandboxSettings

ROOT = Path(__file__).parents[3]
# In pieces, so that this file does not name them either.
INDEX_HOSTS = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("registry", "npmjs", "org"),
        ("registry", "yarnpkg", "com"),
        ("index", "docker", "io"),
        ("registry-1", "docker", "io"),
        ("proxy", "golang", "org"),
        ("deb", "debian", "org"),
    )
]
CODE_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    return [path for name in listed.split("\0") if name and (path := ROOT / name).is_file()]


def folders_with_a_readme() -> list[Path]:
    tops = [path for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")]
    kept = {path.relative_to(ROOT).parts[0] for path in tracked() if path.parent != ROOT}
    plugins = {
        path.parent for path in tracked() if path.name == "capmart.toml" and path.is_relative_to(ROOT / "plugins")
    }
    tests = {ROOT / "tests" / path.relative_to(ROOT / "tests").parts[0] for path in tracked() if len(parts(path)) > 2}
    return sorted({path for path in tops if path.name in kept} | plugins | tests)


def parts(path: Path) -> tuple[str, ...]:
    return path.relative_to(ROOT).parts if path.is_relative_to(ROOT / "tests") else ()


@pytest.mark.parametrize("name", ["LICENSE", "README.md", "README.zh-CN.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_given_the_repository_when_opened_then_it_has_its_documents(name: str) -> None:
    assert (ROOT / name).stat().st_size > 0


def test_given_each_folder_when_opened_then_a_readme_says_what_it_is() -> None:
    assert [str(path.relative_to(ROOT)) for path in folders_with_a_readme() if not (path / "README.md").is_file()] == []


def test_given_both_readmes_when_compared_then_headings_and_commands_are_in_step() -> None:
    english, chinese = ((ROOT / name).read_text("utf-8") for name in ("README.md", "README.zh-CN.md"))
    levels = [re.findall(r"^(#+) ", CODE_BLOCK.sub("", text), re.MULTILINE) for text in (english, chinese)]
    assert levels[0] == levels[1]
    assert CODE_BLOCK.findall(english) == CODE_BLOCK.findall(chinese)


def test_given_commands_in_documents_when_read_then_make_and_capmart_have_them() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    for path in (path for path in tracked() if path.suffix == ".md" and "templates" not in path.parts):
        for _, block in CODE_BLOCK.findall(path.read_text("utf-8")):
            for target in re.findall(r"^\$ make ([a-z-]+)", block, re.MULTILINE):
                assert target in targets or path.parent != ROOT, f"{path}: make {target}"


def test_given_every_link_in_the_readmes_when_followed_then_it_leads_somewhere() -> None:
    for name in ("README.md", "README.zh-CN.md", "CONTRIBUTING.md", "plugins/README.md", "sdk/README.md"):
        document = ROOT / name
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", document.read_text("utf-8")):
            assert (document.parent / target).exists(), f"{name}: {target}"


def test_given_every_tracked_file_when_searched_then_none_names_the_host_of_a_package_index() -> None:
    found = []
    for path in tracked():
        text = path.read_bytes().decode("utf-8", "ignore")
        found += [f"{path.relative_to(ROOT)}: {host}" for host in INDEX_HOSTS if host in text]
    assert found == []


def test_given_the_tracked_files_when_listed_then_no_lock_with_addresses_is_among_them() -> None:
    forbidden = {"uv.lock", "package-lock.json", "yarn.lock", "poetry.lock"}
    assert [path for path in tracked() if path.name in forbidden] == []


def test_given_the_directions_of_imports_when_checked_then_all_hold() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("module", [core_hooks, center_hooks], ids=["core", "center"])
def test_given_every_hook_when_looked_up_then_it_is_documented(module: object) -> None:
    hooks = [name for name in vars(module) if name.startswith("capmart_") and callable(getattr(module, name))]
    assert hooks
    readme = (ROOT / "registry" / "README.md").read_text("utf-8")
    for name in hooks:
        assert getattr(module, name).__doc__, name
        assert f"`{name}`" in readme, f"registry/README.md does not mention {name}"


@pytest.mark.parametrize(
    ("readme", "prefix", "settings"),
    [("sandbox", SANDBOX_PREFIX, SandboxSettings), ("registry", CENTER_PREFIX, CenterSettings)],
)
def test_given_every_setting_when_looked_up_then_its_table_says_the_same(
    readme: str, prefix: str, settings: type[BaseSettings]
) -> None:
    text = (ROOT / readme / "README.md").read_text("utf-8")
    rows = re.findall(rf"^\| `{prefix}([A-Z_]+)` \| ([^|]+) \| (.+) \|$", text, re.MULTILINE)
    documented = {name.lower(): meaning for name, _, meaning in rows}
    assert documented == {name: field.description for name, field in settings.model_fields.items()}
    shown = {name.lower(): default.strip("` ") for name, default, _ in rows}
    for name, field in settings.model_fields.items():
        if isinstance(field.default, int | float) and not isinstance(field.default, bool):
            assert shown[name] == str(field.default), name
