"""What the code of a capability component imports: mark functions or methods as actions, write ordinary typed Python.

>>> from dataclasses import dataclass
>>> from typing import Annotated
>>> from capmart_component import ActionError, Field, action
>>>
>>> @action(title_zh="求商", title_en="Divide")
... def divide(
...     dividend: Annotated[float, Field(zh="被除数", en="Dividend", example=6)],
...     divisor: Annotated[float, Field(zh="除数", en="Divisor", example=3)],
... ) -> Annotated[float, Field(zh="商", en="Quotient")]:
...     if divisor == 0:
...         raise ActionError("除数不能为零", "the divisor must not be zero")
...     return dividend / divisor

The standard library is all it needs; pydantic only makes the schemas, in the sandboxed step of ``capmart pack``.
"""

from capmart_component._collect import BoundAction, collect
from capmart_component._declare import Declaration, Field, action, component
from capmart_component._describe import describe
from capmart_component.errors import ActionError, DeclarationError, InputError, ResultError
from capmart_component.files import files_dir

__all__ = [
    "ActionError",
    "BoundAction",
    "Declaration",
    "DeclarationError",
    "Field",
    "InputError",
    "ResultError",
    "action",
    "collect",
    "component",
    "describe",
    "files_dir",
]
