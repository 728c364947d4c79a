"""Libraries that only the tools use (the extra `descend[tools]`), imported when they are needed and not before."""

from __future__ import annotations

import importlib
from types import ModuleType


class MissingExtra(ImportError):
    """A library of the extra `descend[tools]` is not installed; the message says which, for what, and how to get it."""


def need(module: str, package: str, purpose: str) -> ModuleType:
    """Import `module`, or say what it was for and how to install it.

    Args:
        module: the dotted name to import, for example `"matplotlib.figure"`.
        package: what the package index calls it, for example `"scikit-learn"`.
        purpose: the start of the message, for example `"drawing the picture"`.

    Raises:
        MissingExtra: the import failed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        message = f'{purpose} needs {package}, which cannot be imported ({error}): pip install "descend[tools]"'
        raise MissingExtra(message) from error
