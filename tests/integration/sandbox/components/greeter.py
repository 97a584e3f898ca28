"""A well-behaved component, with what tests ask of one: state, files, dependencies, a class."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Annotated

from capmart_component import Field, action, component, files_dir

CALLS: list[str] = []


@dataclass(frozen=True)
class Greeting:
    text: Annotated[str, Field(zh="问候", en="Greeting", example="hello")]
    calls: Annotated[int, Field(zh="次数", en="Calls so far", example=1)]


@action(title_zh="问候", title_en="Greet")
def greet(name: Annotated[str, Field(zh="姓名", en="Name", example="Ann")]) -> Greeting:
    CALLS.append(name)
    print(f"你好 {name}")  # noqa: T201 - what a component prints is its log
    return Greeting(f"hello {name}", len(CALLS))


@action(title_zh="等待", title_en="Wait")
def wait(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


@component
class Library:
    def __init__(self) -> None:
        folder = files_dir()
        self.names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []

    @action(title_zh="文件", title_en="Files")
    def files(self) -> list[str]:
        return self.names
