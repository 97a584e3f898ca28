"""What typer says of a command line that it does not understand, in the language in use."""

from __future__ import annotations

import re
from typing import Any

from capmart_sdk.console import language, say

# typer words these itself and offers no translation; what matches none of them stays as it is.
_CHINESE = (
    (r"No such command (.+?)\.", r"没有命令 \1。"),
    (r"No such option: (\S+)", r"没有选项 \1"),
    (r"\(Possible options: (.+)\)", r"（可用选项：\1）"),
    (r"Did you mean (.+)\?", r"是否想用 \1？"),
    (r"Missing option (.+?)\.", r"缺少选项 \1。"),
    (r"Missing argument (.+?)\.", r"缺少参数 \1。"),
    (r"Missing command\.", r"缺少命令。"),
    (r"Invalid value for (.+?): ", r"\1 的值无效："),
    (r"Got unexpected extra argument\(s\) \((.+)\)", r"多余的参数（\1）"),
    (r"Option (\S+) requires an argument\.", r"选项 \1 需要一个值。"),
    (r"Option (\S+) does not take a value\.", r"选项 \1 不带值。"),
    (r"(?:file|directory|path) ('.+') does not exist\.", r"\1 不存在。"),
    (r"file ('.+') is a directory\.", r"\1 是目录，应为文件。"),
    (r"directory ('.+') is a file\.", r"\1 是文件，应为目录。"),
    (r"('.*') is not one of (.+)\.", r"\1 不在可选值之内：\2。"),
    (r"('.*') is not a valid (?:int|integer)(?: range)?\.", r"\1 不是整数。"),
    (r"('.*') is not a valid float(?: range)?\.", r"\1 不是数。"),
    (r"(\S+) is not in the range (.+)\.", r"\1 不在范围 \2 之内。"),
)


def show_usage_error(error: Any) -> None:
    """Print usage, where help is and what was not understood, to stderr.

    Args:
        error: typer's, with ``format_message()``, ``show()`` and, where a command was found, its context ``ctx``.
    """
    context = getattr(error, "ctx", None)
    if language() != "zh" or type(error).__name__ == "NoArgsIsHelpError":
        error.show()
        return
    if context is not None:
        say(context.get_usage().replace("Usage: ", "用法：", 1))
        say(f"查看帮助：{context.command_path} {context.help_option_names[0]}\n")
    say(f"错误：{in_chinese(error.format_message())}", style="bold red")


def in_chinese(message: str) -> str:
    """A message of typer's in Chinese, as far as it is known."""
    for english, chinese in _CHINESE:
        message = re.sub(english, chinese, message)
    return message
