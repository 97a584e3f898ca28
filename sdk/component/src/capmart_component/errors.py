"""What can go wrong between an author's code and the JSON outside it.

::

    ActionError          the action refuses its input and says why, in both languages
    └── InputError       the input does not have the declared type; has the path
    ResultError          the action returned what its declaration does not allow; has the path
    DeclarationError     the author's declaration cannot become a component; seen while checking and packing
"""

from __future__ import annotations


class ActionError(Exception):
    """An action raises this to refuse its input; the person who called sees the reason in their language.

    Args:
        zh: the reason in Chinese.
        en: the reason in English.
    """

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.zh = zh
        self.en = en


class InputError(ActionError):
    """The input does not have the type that the action declares.

    Attributes:
        path: where in the input, for example ``shifts[2].good``; empty for the input itself.
    """

    def __init__(self, path: str, zh: str, en: str) -> None:
        super().__init__(f"{path}：{zh}" if path else zh, f"{path}: {en}" if path else en)
        self.path = path


class ResultError(Exception):
    """The action returned something that its declared return type does not allow.

    Attributes:
        path: where in the result, for example ``lines[0].tce``; empty for the result itself.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}" if path else reason)
        self.path = path


class DeclarationError(TypeError):
    """A declaration cannot become a component. The message is in English and Chinese."""

    def __init__(self, en: str, zh: str) -> None:
        super().__init__(f"{en} / {zh}")
        self.en = en
        self.zh = zh
