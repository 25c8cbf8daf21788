"""The public names and signatures, as a text that people can read and review.

A change of it is a change for every user: update it on purpose, with
`python tests/test_public_names.py`, and say in the changelog what they have to do.
"""

from __future__ import annotations

import dataclasses
import difflib
import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import counterfoil
from counterfoil import testing
from counterfoil.integrations import asgi, fastapi, issuer, live, problem, prometheus, starlette

if TYPE_CHECKING:
    from types import ModuleType

MODULES: Final = (asgi, fastapi, issuer, live, problem, prometheus, starlette, testing)
SNAPSHOT: Final = Path(__file__).with_name("public_names.txt")


def described() -> str:
    """Every public class: how it is made, its properties and its methods; every function."""
    blocks = [_lines(name, getattr(counterfoil, name)) for name in sorted(counterfoil.__all__)]
    for module in MODULES:
        blocks.append([f"== {module.__name__} =="])
        blocks += [_lines(name, getattr(module, name)) for name in _names(module)]
    return "\n".join("\n".join(block) + "\n" for block in blocks)


def _names(module: ModuleType) -> list[str]:
    """Those that the module lists; else the classes and functions that it defines."""
    listed: list[str] | None = getattr(module, "__all__", None)
    if listed is not None:
        return sorted(listed)
    own = [name for name, value in vars(module).items() if _is_of(value, module)]
    return sorted(name for name in own if not name.startswith("_"))


def _is_of(value: Any, module: ModuleType) -> bool:
    is_named = isinstance(value, type) or inspect.isfunction(value)
    return is_named and value.__module__ == module.__name__


def _alias(annotated: Any) -> str:
    """A dependency of FastAPI: what it gives, and by which function."""
    (depends,) = annotated.__metadata__
    given = annotated.__origin__
    shown = given.__name__ if isinstance(given, type) else str(given)
    return f"{shown} by {depends.dependency.__name__}"


def _lines(name: str, kind: Any) -> list[str]:
    if inspect.isfunction(kind):
        word = "await " if inspect.iscoroutinefunction(kind) else ""
        return [f"{word}{name}{_signature(kind)}"]
    if not isinstance(kind, type):
        return [f"{name}: {_alias(kind)}"]
    parents = ", ".join(each.__name__ for each in kind.__bases__ if each is not object)
    lines = [f"class {name}({parents})" if parents else f"class {name}"]
    if (
        issubclass(kind, BaseException)
        or dataclasses.is_dataclass(kind)
        or "__init__" in vars(kind)
    ):
        lines.append(f"    {name}{_signature(inspect.getattr_static(kind, '__init__'))}")
    for member in sorted(vars(kind)):
        if not member.startswith("_"):
            lines += _member(kind, member)
    return lines


def _member(kind: type, name: str) -> list[str]:
    value = inspect.getattr_static(kind, name)
    if isinstance(value, property):
        return [f"    .{name} -> {inspect.signature(value.fget).return_annotation}"]  # type: ignore[arg-type]
    function = value.__func__ if isinstance(value, classmethod | staticmethod) else value
    if not inspect.isfunction(function):
        is_field = dataclasses.is_dataclass(kind) and name in kind.__dataclass_fields__
        return [] if is_field or inspect.ismemberdescriptor(value) else [f"    .{name}"]
    word = "await ." if inspect.iscoroutinefunction(function) else "."
    return [f"    {word}{name}{_signature(function)}"]


def _signature(function: Any) -> str:
    """As it is written, without `self` and what is private."""
    signature = inspect.signature(function)
    shown: list[str] = []
    for each in signature.parameters.values():
        if each.kind is each.KEYWORD_ONLY and not any(name.startswith("*") for name in shown):
            shown.append("*")
        if each.name != "self" and not each.name.startswith("_"):
            shown.append(_parameter(each))
    returned = signature.return_annotation
    return f"({', '.join(shown)})" + (f" -> {returned}" if returned not in (None, "None") else "")


def _parameter(parameter: inspect.Parameter) -> str:
    star = "*" if parameter.kind is parameter.VAR_POSITIONAL else ""
    shown = f"{star}{parameter.name}: {parameter.annotation}"
    if parameter.default is parameter.empty:
        return shown
    default = repr(parameter.default).replace("datetime.", "")
    return f"{shown} = {'...' if default.startswith('<') else default}"


def test_the_public_names_are_those_of_the_snapshot() -> None:
    """No name, argument or default changes by accident."""
    expected = SNAPSHOT.read_text(encoding="utf-8") if SNAPSHOT.exists() else ""
    changed = difflib.unified_diff(
        expected.splitlines(), described().splitlines(), "public_names.txt", "now", lineterm=""
    )
    assert "\n".join(changed) == ""


def test_every_public_name_can_be_had() -> None:
    """From the package itself; a name that is not there is an AttributeError."""
    assert set(counterfoil.__all__) == set(dir(counterfoil))
    assert counterfoil.__all__ == sorted(counterfoil.__all__)
    assert not hasattr(counterfoil, "Session_")


def test_every_public_class_says_what_it_promises() -> None:
    """A docstring of its own, and one for every function and for every verb of the engine."""
    named = [(counterfoil, name) for name in counterfoil.__all__]
    named += [(module, name) for module in MODULES for name in _names(module)]
    values = [getattr(module, name) for module, name in named]
    told = [each for each in values if isinstance(each, type) or inspect.isfunction(each)]
    assert [
        each.__name__ for each in told if not vars(each).get("__doc__") and not each.__doc__
    ] == []
    verbs = [value for name, value in vars(counterfoil.Counterfoil).items() if name[0] != "_"]
    functions = [each for each in verbs if inspect.isfunction(each)]
    assert [each.__name__ for each in functions if not each.__doc__] == []


if __name__ == "__main__":
    SNAPSHOT.write_text(described(), encoding="utf-8")
