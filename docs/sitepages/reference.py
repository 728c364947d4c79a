"""The reference: pages of everything public that is no optimizer, made from docstrings."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from descend.tools import quickref

from . import docstrings


@dataclass(frozen=True)
class Page:
    """One page of the reference.

    Attributes:
        title: in the navigation.
        file: its name, without the ending.
        module: where the names are.
        names: what it documents; empty: everything in the module's `__all__`.
    """

    title: str
    file: str
    module: str
    names: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """Of the Markdown, seen from docs/."""
        return f"reference/{self.file}.md"

    @property
    def documented(self) -> tuple[str, ...]:
        """The names in their order."""
        return self.names or tuple(import_module(self.module).__all__)


PAGES = (
    Page("Optimizer", "optimizer", "descend", ("Optimizer", "Explanation", "Memory", "memory")),
    Page("Tools", "tools", "descend.tools"),
    Page("Schedules", "schedules", "descend.schedules"),
    Page("Parameter groups", "groups", "descend.groups"),
    Page("Clipping", "clipping", "descend", ("clip_grad_norm_",)),
    Page("Minimising a function", "minimize", "descend", ("minimize", "MinimizeResult", "LBFGSResult", "Status")),
    Page("Rules", "rules", "descend", ("define", "Rule", "Buffer", "RuleError")),
    Page("lr_scheduler", "lr_scheduler", "descend.lr_scheduler"),
    Page("swa_utils", "swa_utils", "descend.swa_utils"),
)


def link(name: str) -> str:
    """Where a public name is documented, seen from a page of the reference."""
    own = name.removeprefix("~").removeprefix("descend.").rpartition(".")[2]
    if own.lower() in quickref.TABLE and quickref.TABLE[own.lower()].cls == own:
        return f"../optimizers/{own.lower()}.md"
    return next((f"{page.file}.md#{own.lower()}" for page in PAGES if own in page.documented and own[0].isupper()), "")


def text(page: Page) -> str:
    """The Markdown of a page."""
    module = import_module(page.module)
    pieces = [f"# {page.title}"]
    if not page.names:
        found = docstrings.parts(module, link)
        pieces += [found.summary, found.text]
    for name in page.documented:
        pieces += entry(f"{page.module}.{name}", getattr(module, name))
    return "\n\n".join(piece for piece in pieces if piece) + "\n"


def entry(name: str, documented: Any) -> list[str]:
    """One name: heading, signature, docstring, and the public methods of a class."""
    short = name.rpartition(".")[2]
    pieces = [f"## {short} {{#{short.lower()}}}"]
    if callable(documented) and not (isinstance(documented, type) and issubclass(documented, Exception)):
        pieces.append(docstrings.signature(name, documented))
    found = docstrings.parts(documented, link)
    pieces += [found.summary, found.text]
    for heading, body in found.sections:
        pieces += [f"**{heading}**", body] if heading else [body]
    if isinstance(documented, type):
        pieces += methods(documented)
    return pieces


def methods(documented: type) -> list[str]:
    """The public methods and properties that a class of the package defines itself, as a list of their first lines."""
    found = []
    for name, member in vars(documented).items():
        called = getattr(documented, name)
        if name.startswith("_") or not (inspect.isroutine(called) or isinstance(member, property)):
            continue
        own = docstrings.parts(member, link)
        if own.summary:
            brackets = "" if isinstance(member, property) else "()"
            found.append(f"- `{name}{brackets}`: {own.summary}")
    return ["**Methods and properties**", "\n".join(found)] if found else []
