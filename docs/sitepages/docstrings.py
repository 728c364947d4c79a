"""A Google docstring, with reStructuredText's formulas and roles in it, as Markdown with MathML.

Formulas become MathML when the site is built: browsers draw it themselves, so no script has to be loaded.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from latex2mathml.converter import convert

SECTIONS = {
    "Args": "Arguments",
    "Attributes": "Attributes",
    "Returns": "Returns",
    "Raises": "Raises",
    "Example": "Example",
    "Examples": "Example",
}
LISTS = {"Arguments", "Attributes", "Raises"}
REMARK = re.compile(r"(State|Source)\b([^:\n]*):\s+(.*)", re.DOTALL)
ITEM = re.compile(r"([\w*., ]+): (.*)", re.DOTALL)
INLINE = re.compile(r"``(?P<code>.+?)``|:(?P<role>\w+):`(?P<target>[^`]+)`|`(?P<name>[^`]+)`", re.DOTALL)

Link = Callable[[str], str]
"""Gives where a public name is documented, seen from the page, or an empty text."""


@dataclass(frozen=True)
class Parts:
    """A docstring taken apart, in Markdown.

    Attributes:
        summary: its first paragraph.
        text: the paragraphs and formulas up to the first section.
        sections: (heading, Markdown) in the order of the docstring.
    """

    summary: str
    text: str
    sections: tuple[tuple[str, str], ...]


def nowhere(name: str) -> str:
    """For pages that link to nothing."""
    return ""


def formula(latex: str, display: bool) -> str:
    """LaTeX as MathML; a displayed one in pieces that end at its wide spaces, where the page may break the line.

    Bars are spelled as entities: a table would take them for the borders of a cell.
    """
    spaced = re.sub(r"\\(Big|big|bigg|Bigg)[lr]?(?=[^a-zA-Z])", "", latex)  # sizes, which MathML finds for itself
    pieces = [piece for piece in re.split(r"\\q?quad\b", spaced) if piece.strip()] if display else [spaced]
    found = [convert(piece.strip(), display="inline").replace("|", "&#x7c;").replace("\n", " ") for piece in pieces]
    if not display:
        return f"<span>{found[0]}</span>"  # a paragraph that begins with <math> would be taken for raw HTML
    large = "".join(piece.replace('display="inline"', 'display="inline" displaystyle="true"', 1) for piece in found)
    return f'<div class="formula">{large}</div>'


def inline(text: str, link: Link = nowhere) -> str:
    """One paragraph: formulas, code and references converted, everything else protected from Markdown."""
    found, end = [], 0
    for match in INLINE.finditer(text):
        found.append(_protected(text[end : match.start()]))
        end = match.end()
        if match["role"] == "math":
            found.append(formula(match["target"], display=False))
        else:
            name = match["code"] or match["target"] or match["name"]
            code = f"`{name.lstrip('~')}`"
            where = link(name) if match["role"] else ""
            found.append(f"[{code}]({where})" if where else code)
    return "".join([*found, _protected(text[end:])])


def _protected(text: str) -> str:
    """Markdown's own signs escaped; the name of a page of docs/ leads there, from a folder beside it."""
    plain = re.sub(r"([*_\[\]<>])", r"\\\1", text).replace("\\<", "&lt;").replace("\\>", "&gt;")
    return re.sub(r"docs/([\w\\]+\.md)", lambda found: f"[{found[0]}](../{found[1].replace(chr(92), '')})", plain)


def paragraphs(text: str, link: Link = nowhere) -> str:
    """Paragraphs, displayed formulas, indented code and lists."""
    found, blocks = [], list[str]()
    for block in re.split(r"\n\s*\n", text.strip("\n")):
        if blocks and blocks[-1].startswith("    ") and block.startswith("    "):
            blocks[-1] += "\n\n" + block  # one piece of code with an empty line in it
        else:
            blocks.append(block)
    for block in blocks:
        if block.lstrip().startswith(".. math::"):
            found.append(formula(" ".join(block.replace(".. math::", "", 1).split()), display=True))
        elif block.startswith("    "):
            found.append(f"```python\n{inspect.cleandoc(block)}\n```")
        elif block.startswith("- "):
            items = re.split(r"\n(?=- )", block)
            found.append("\n".join("- " + inline(" ".join(item[2:].split()), link) for item in items))
        elif remark := REMARK.fullmatch(block):
            found.append(f"**{remark[1]}**{inline(remark[2], link)}: {inline(' '.join(remark[3].split()), link)}")
        else:
            found.append(inline(" ".join(block.split()), link))
    return "\n\n".join(found)


def items(text: str, link: Link = nowhere) -> str:
    """`name: text` entries as a list; further paragraphs and lists of an entry stay inside it."""
    found = []
    for entry in re.split(r"\n(?=\S)", text.strip("\n")):
        match = ITEM.fullmatch(entry)
        if match is None:
            found.append(paragraphs(entry, link))
            continue
        names = ", ".join(f"`{name.strip()}`" for name in match[1].split(","))
        first, _, rest = match[2].partition("\n\n")
        body = inline(" ".join(first.split()), link)
        if rest:
            body += "\n\n" + paragraphs(inspect.cleandoc(rest), link)
        found.append(f"- {names}: " + body.replace("\n", "\n    "))
    return "\n".join(found)


def parts(documented: Any, link: Link = nowhere) -> Parts:
    """The docstring of a class, function or module, taken apart."""
    lines = (inspect.getdoc(documented) or "").split("\n")
    heads = [i for i, line in enumerate(lines) if line.removesuffix(":") in SECTIONS and line.endswith(":")]
    summary, _, text = "\n".join(lines[: heads[0] if heads else None]).strip().partition("\n\n")
    sections = []
    for start, stop in pairwise([*heads, len(lines)]):
        heading = SECTIONS[lines[start].removesuffix(":")]
        own = [i for i in range(start + 1, stop) if not lines[i] or lines[i].startswith(" ")]
        last = next((i for i in range(start + 1, stop) if i not in own), stop)
        body = inspect.cleandoc("\n".join(["", *lines[start + 1 : last]]))
        if heading == "Example":
            converted = f"```pycon\n{body}\n```"
        else:
            converted = items(body, link) if heading in LISTS else paragraphs(body, link)
        sections.append((heading, converted))
        after = "\n".join(lines[last:stop]).strip()
        if after:
            sections.append(("", paragraphs(after, link)))
    return Parts(inline(" ".join(summary.split()), link), paragraphs(text, link) if text else "", tuple(sections))


def signature(name: str, documented: Any) -> str:
    """How it is called, as a block of Python: names and defaults without annotations, on several lines if need be."""
    try:
        found = inspect.signature(documented)
    except (TypeError, ValueError):
        return f"```python\n{name}\n```"
    shown = [p.replace(annotation=p.empty) for p in found.parameters.values() if not p.name.startswith("_")]
    words = str(found.replace(parameters=shown, return_annotation=found.empty))[1:-1]
    words = re.sub(r"<([\w.]+) object at 0x\w+>|<(?:function|class) '?([\w.]+)'?.*?>", r"\1\2", words)
    words = words.replace("<factory>", "...")
    line = f"{name}({words})"
    if len(line) > 88:
        pieces = [str(p).replace("<factory>", "...") for p in shown]
        kinds = [p.kind for p in shown]
        if inspect.Parameter.KEYWORD_ONLY in kinds and inspect.Parameter.VAR_POSITIONAL not in kinds:
            pieces.insert(kinds.index(inspect.Parameter.KEYWORD_ONLY), "*")
        line = f"{name}(\n" + "".join(f"    {piece},\n" for piece in pieces) + ")"
    return f"```python\n{line}\n```"
