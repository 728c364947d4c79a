"""Libraries that only the tools use (the extras `tools` and `data`), imported when they are needed and not before."""

from __future__ import annotations

import importlib
from types import ModuleType


class MissingExtra(ImportError):
    """A library of an extra is not installed; the message says which, for what, and how to get it."""


def need(module: str, package: str, purpose: str, extra: str = "tools") -> ModuleType:
    """Import `module`, or say what it was for and how to install it.

    Args:
        module: the dotted name to import, for example `"matplotlib.figure"`.
        package: what the package index calls it, for example `"scikit-learn"`.
        purpose: the start of the message, for example `"drawing the picture"`.
        extra: which of descend's extras brings it; empty if none does.

    Raises:
        MissingExtra: the import failed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        what = f'"descend[{extra}]"' if extra else package
        message = f"{purpose} needs {package}, which cannot be imported ({error}): pip install {what}"
        raise MissingExtra(message) from error
