import os
import signal
import stat
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest

from capmart_core.errors import InvalidPackage
from capmart_sandbox.layers import layer_of
from capmart_sandbox.settings import SandboxSettings
from tests.support.loops import loops
from tests.support.packages import make_wheel

MINOR = sys.version_info.minor
MANY = {f"acme_many/part{number}.py": b"x = 1\n" * 200 for number in range(400)}


def settings_in(folder: Path) -> SandboxSettings:
    return SandboxSettings(cache=folder / "cache")


def layers_in(folder: Path) -> list[Path]:
    return sorted((folder / "cache" / "layers").iterdir())


def test_given_no_wheels_when_asked_then_there_is_no_layer(tmp_path: Path) -> None:
    assert layer_of([], settings_in(tmp_path), minor=MINOR) is None
    assert not (tmp_path / "cache").exists()


def test_given_wheels_when_asked_twice_then_they_are_unpacked_once(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "acme_sum")
    first = layer_of([wheel], settings_in(tmp_path), minor=MINOR)
    assert first is not None
    before = (first / "acme_sum.py").stat()
    assert layer_of([wheel], settings_in(tmp_path), minor=MINOR) == first
    assert (first / "acme_sum.py").stat().st_mtime_ns == before.st_mtime_ns
    assert list(first.rglob("*.pyc"))


def test_given_other_content_under_the_same_name_when_asked_then_it_is_another_layer(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path / "a", "acme_sum")
    other = make_wheel(tmp_path / "b", "acme_sum", files={"acme_sum.py": b"x = 2\n"})
    settings = settings_in(tmp_path)
    assert layer_of([wheel], settings, minor=MINOR) != layer_of([other], settings, minor=MINOR)


def test_given_a_strict_umask_when_unpacked_then_the_containers_user_can_read_it(tmp_path: Path) -> None:
    old = os.umask(0o077)
    try:
        layer = layer_of([make_wheel(tmp_path, "acme_sum")], settings_in(tmp_path), minor=MINOR)
    finally:
        os.umask(old)
    assert layer is not None
    for path in [layer, *layer.rglob("*")]:
        assert path.stat().st_mode & stat.S_IROTH
        assert not path.stat().st_mode & stat.S_IWOTH


def test_given_ten_askers_at_the_same_time_when_answered_then_there_is_one_layer(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "acme_many", files=MANY)
    found: list[Path | None] = []
    threads = [
        threading.Thread(target=lambda: found.append(layer_of([wheel], settings_in(tmp_path), minor=MINOR)))
        for _ in range(10)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    assert len(found) == 10
    assert [path for path in layers_in(tmp_path) if path.is_dir()] == [found[0]]


def test_given_a_kill_while_unpacking_when_asked_again_then_the_layer_is_whole(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "acme_many", files=MANY)
    program = (
        "import sys; from pathlib import Path; from capmart_sandbox.layers import layer_of;"
        "from capmart_sandbox.settings import SandboxSettings;"
        "print('ready', flush=True);"
        "layer_of([Path(sys.argv[1])], SandboxSettings(cache=Path(sys.argv[2])), minor=sys.version_info.minor)"
    )
    for number in loops(20):
        cache = tmp_path / f"cache{number}"
        with subprocess.Popen(
            [sys.executable, "-c", program, str(wheel), str(cache)], stdout=subprocess.PIPE, start_new_session=True
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            threading.Event().wait(0.02 * (number + 1))
            os.killpg(process.pid, signal.SIGKILL)
        layer = layer_of([wheel], SandboxSettings(cache=cache), minor=MINOR)
        assert layer is not None
        assert len(list(layer.glob("acme_many/*.py"))) == len(MANY)
        assert [path for path in (cache / "layers").iterdir() if path.is_dir()] == [layer]


@pytest.mark.parametrize("name", ["../outside.py", "/outside.py", "acme/../../outside.py"])
def test_given_a_wheel_that_reaches_out_when_unpacked_then_nothing_is_written(tmp_path: Path, name: str) -> None:
    wheel = make_wheel(tmp_path / "wheels", "acme_sum")
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr(name, b"x = 1\n")
    with pytest.raises(InvalidPackage):
        layer_of([wheel], settings_in(tmp_path), minor=MINOR)
    assert not list(tmp_path.rglob("outside.py"))
    assert [path for path in layers_in(tmp_path) if path.is_dir()] == []
