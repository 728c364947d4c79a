"""Where a problem comes from on the command line: `demo:digits`, `train.py:setup`, `package.module:setup`."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import nn

from .isolation import random_numbers_of

KEYS = (
    "model",
    "loader",
    "loss_fn",
    "step",
    "val",
    "metric",
    "steps",
    "goal",
    "optimizers",
    "threads",
    "name",
    "title",
)


class SourceError(ValueError):
    """A setup function cannot be found, or gives something that cannot be trained."""


class SetupFailed(SourceError):
    """The user's setup function, or the import of its file, raised; the cause is what it raised."""


def resolve(text: str, seed: int = 0) -> dict[str, Any]:
    """Call a setup function; returns keyword arguments of `compare`.

    Args:
        text: `demo:NAME`, `FILE.py:FUNCTION` or `MODULE:FUNCTION`. The function takes no arguments and returns
            `model, loader, loss_fn`, or with `val` as a fourth, or a dict of keyword arguments.
        seed: of torch's, numpy's and Python's random numbers while the function runs; they are put back afterwards.

    Raises:
        SourceError: there is no such function, or it returned something else.
        SetupFailed: it raised.
        UnknownDemo: no demo has that name.
    """
    place, separator, function = text.rpartition(":")
    if not separator or not place or not function:
        raise SourceError(f"{text!r} must be demo:NAME, FILE.py:FUNCTION or MODULE:FUNCTION")
    if place == "demo":
        from . import demos

        setup: Callable[[], Any] = demos.find(text).setup
    else:
        setup = _function(text, place, function)
    with random_numbers_of(seed):
        try:
            given = setup()
        except Exception as error:
            if place == "demo":
                raise
            raise SetupFailed(f"{text!r}: {function}() raised {type(error).__name__}: {error}") from error
    return {"name": text, **_as_arguments(given, text)}


def _function(text: str, place: str, name: str) -> Callable[[], Any]:
    module = _from_file(Path(place), text) if place.endswith(".py") else _from_name(place, text)
    function = getattr(module, name, None)
    if not callable(function):
        there = [k for k, v in vars(module).items() if inspect.isfunction(v) and v.__module__ == module.__name__]
        raise SourceError(f"{text!r}: {place} has no function {name!r}; it has {', '.join(there) or 'none'}")
    needed = [
        p.name
        for p in inspect.signature(function).parameters.values()
        if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]
    if needed:
        raise SourceError(f"{text!r}: {name}() must work without arguments, but needs {', '.join(needed)}")
    return function


def _from_file(file: Path, text: str) -> Any:
    """The file as a module that can import its neighbours, as it could when run as a script."""
    if not file.is_file():
        raise SourceError(f"{text!r}: there is no file {str(file)!r}")
    name = f"descend_setup_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(file.parent.resolve()))
    sys.modules[name] = module  # pickling of data sets by loader processes looks classes up here
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[name]
        if isinstance(error, Exception):
            raise SetupFailed(f"{text!r}: importing {file.name} raised {type(error).__name__}: {error}") from error
        raise
    finally:
        sys.path.remove(str(file.parent.resolve()))
    return module


def _from_name(name: str, text: str) -> Any:
    sys.path.insert(0, "")
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise SourceError(f"{text!r}: {error}; a file is given as FILE.py:FUNCTION") from error
    finally:
        sys.path.remove("")


def _as_arguments(given: Any, text: str) -> dict[str, Any]:
    if isinstance(given, Mapping):
        unknown = [str(key) for key in given if key not in KEYS]
        if unknown:
            raise SourceError(f"{text!r} returned the key {unknown[0]!r}; the keys are {', '.join(KEYS)}")
        if "model" not in given:
            raise SourceError(f"{text!r} returned a dict without 'model'")
        return dict(given)
    if isinstance(given, (tuple, list)) and len(given) in (3, 4):
        return dict(zip(("model", "loader", "loss_fn", "val"), given, strict=False))
    kind = f"a {type(given).__name__}" + (f" of {len(given)}" if isinstance(given, (tuple, list)) else "")
    kind = "a model alone" if isinstance(given, nn.Module) else kind
    raise SourceError(
        f"{text!r} must return (model, loader, loss_fn), (model, loader, loss_fn, val) or a dict, but returned {kind}"
    )
