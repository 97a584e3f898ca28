"""From a module, class or object to its actions, ready to be called with JSON values."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from capmart_component._codecs import Codec, Mismatch, ObjectCodec
from capmart_component._compile import codec_for, hints_of, object_type
from capmart_component._declare import COMPONENT_MARK, Declaration, declaration_of
from capmart_component.errors import DeclarationError, InputError, ResultError

_UNUSABLE: dict[object, str] = {
    inspect.Parameter.POSITIONAL_ONLY: "positional-only",
    inspect.Parameter.VAR_POSITIONAL: "*args",
    inspect.Parameter.VAR_KEYWORD: "**kwargs",
}


class BoundAction:
    """One action with its codecs.

    Attributes:
        name: unique in the component.
        declaration: what ``@action`` was given.
        parameters: type hint and default of each input property, by name; the default is ``inspect.Parameter.empty``
            when there is none. Empty when ``whole`` is given.
        whole: the dataclass or ``TypedDict`` that is the whole input; None when the parameters are its properties.
        result: type hint of the result.
    """

    def __init__(self, declaration: Declaration, function: Callable[..., Any]) -> None:
        self.declaration = declaration
        self.name = declaration.name
        where = f"action {self.name}"
        plain = inspect.unwrap(function)
        if any(
            test(plain)
            for test in (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction)
        ):
            raise DeclarationError(
                f"{where}: an action is an ordinary function; async functions and generators cannot be called here",
                f"{where}：动作须为普通函数，不支持 async 函数与生成器",
            )
        hints = hints_of(getattr(plain, "__func__", plain), where)
        if "return" not in hints:
            raise DeclarationError(f"{where}: the result needs a type", f"{where}：须注明返回值类型")
        self.result: Any = hints["return"]
        self._encoder = codec_for(self.result, f"{where} result")
        found = _parameters(function, hints, where)
        self.whole: Any = None
        self.parameters: dict[str, tuple[Any, Any]] = found
        self._decoder: Codec
        if len(found) == 1 and object_type(only := next(iter(found.values()))[0]):
            self.whole, self.parameters = only, {}
            self._decoder = codec_for(only, where)
            self._function = function
        else:
            arguments = ObjectCodec(dict, dict)
            arguments.properties = {n: codec_for(hint, f"{where} parameter {n}") for n, (hint, _) in found.items()}
            arguments.required = frozenset(n for n, (_, default) in found.items() if default is inspect.Parameter.empty)
            self._decoder = arguments
            self._function = lambda given: function(**given)

    def call(self, value: Any) -> Any:
        """Run the action on a JSON value and return its result as one.

        Raises:
            InputError: ``value`` does not have the declared type.
            ActionError: the action refuses it.
            ResultError: the action returned something else than it declares.
        """
        try:
            given = self._decoder.decode(value)
        except Mismatch as problem:
            raise InputError(problem.path, problem.zh, problem.en) from problem.__cause__
        except RecursionError:
            raise InputError("", "嵌套过深", "nested too deeply") from None
        result = self._function(given)
        try:
            return self._encoder.encode(result)
        except Mismatch as problem:
            raise ResultError(problem.path, problem.en) from None
        except RecursionError:
            raise ResultError("", "nested too deeply, or it contains itself") from None


def collect(source: Any) -> dict[str, BoundAction]:
    """The actions of a component, by name.

    A module offers its ``@action`` functions, the actions of every ``@component`` class in it (instantiated here, once)
    and those of every instance among its globals. The parameters of an action are the properties of its input object.
    The one exception: when its only parameter is a bare dataclass or ``TypedDict``, the input *is* that object; write
    ``Annotated[Shift, Field(...)]`` to have it as a property.

    Args:
        source: a module, a class with actions, or an instance of one.

    Raises:
        DeclarationError: a declaration cannot become an action, two have one name, or there is none.
    """
    actions: dict[str, BoundAction] = {}
    for declaration, function in _found(source):
        bound = BoundAction(declaration, function)
        if bound.name in actions:
            raise DeclarationError(f"two actions are called {bound.name}", f"有两个动作同名：{bound.name}")
        actions[bound.name] = bound
    if not actions:
        name = getattr(source, "__name__", type(source).__name__)
        raise DeclarationError(
            f"{name} has no action: put @action(...) on a function, or on a method of a class marked @component",
            f"{name} 中没有动作：请在函数上，或在标有 @component 的类的方法上使用 @action(...)",
        )
    return actions


def _found(source: Any) -> Iterator[tuple[Declaration, Callable[..., Any]]]:
    if not isinstance(source, ModuleType):
        yield from _methods(source() if isinstance(source, type) else source)
        return
    unique = list({id(value): value for name, value in vars(source).items() if not name.startswith("__")}.values())
    instances = [value for value in unique if not isinstance(value, type) and _is_component(type(value))]
    for value in unique:
        if (declaration := declaration_of(value)) is not None:
            yield declaration, value
        elif isinstance(value, type) and _is_component(value) and not any(type(i) is value for i in instances):
            if COMPONENT_MARK in vars(value):
                yield from _methods(value())
            elif value.__module__ == source.__name__ and not any(isinstance(i, value) for i in instances):
                raise DeclarationError(
                    f"class {value.__name__} has actions but is neither marked @component nor instantiated here",
                    f"类 {value.__name__} 含有动作，但既未标注 @component，也未在模块中实例化",
                )
    for instance in instances:
        yield from _methods(instance)


def _is_component(cls: type) -> bool:
    return any(declaration_of(member) is not None for base in cls.__mro__ for member in vars(base).values())


def _methods(instance: Any) -> Iterator[tuple[Declaration, Callable[..., Any]]]:
    names = dict.fromkeys(name for base in reversed(type(instance).__mro__) for name in vars(base))
    for name in names:
        declaration = declaration_of(inspect.getattr_static(instance, name, None))
        if declaration is not None:
            yield declaration, getattr(instance, name)


def _parameters(function: Callable[..., Any], hints: dict[str, Any], where: str) -> dict[str, tuple[Any, Any]]:
    found: dict[str, tuple[Any, Any]] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if (kind := _UNUSABLE.get(parameter.kind)) is not None:
            raise DeclarationError(
                f"{where}: parameter {name} is {kind}; every input property needs a name of its own",
                f"{where}：参数 {name} 为 {kind}；每个输入字段都须有自己的名字",
            )
        if name not in hints:
            raise DeclarationError(f"{where}: parameter {name} needs a type", f"{where}：参数 {name} 须注明类型")
        found[name] = (hints[name], parameter.default)
    return found
