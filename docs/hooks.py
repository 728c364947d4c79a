"""What MkDocs calls while it builds the site: adds the pages that are made from docstrings, and links to them.

MkDocs puts this folder on the import path while it loads this file, so that `sitepages` is found.
"""

from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from sitepages import optimizers, reference

from descend.tools import quickref


def section(nav: list[Any], title: str) -> list[Any]:
    """The list of pages under a title of the navigation."""
    found: list[Any] = next(item[title] for item in nav if isinstance(item, dict) and title in item)
    return found


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """A line of the navigation for every generated page."""
    assert config.nav is not None
    own = section(config.nav, "Optimizers")
    own += [{entry.cls: f"optimizers/{entry.name}.md"} for entry in quickref.TABLE.values()]
    section(config.nav, "Reference").extend({page.title: page.path} for page in reference.PAGES)
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The generated pages themselves."""
    pages = {f"optimizers/{entry.name}.md": optimizers.page(entry) for entry in quickref.TABLE.values()}
    pages |= {page.path: reference.text(page) for page in reference.PAGES}
    for path, content in pages.items():
        files.append(File.generated(config, path, content=content))
    return files


def on_page_markdown(markdown: str, *, page: Any, config: MkDocsConfig, files: Files) -> str:
    """The table of all optimizers, whose names lead to their pages here; on GitHub those do not exist."""
    return optimizers.with_links(markdown) if page.file.src_uri == "optimizers/index.md" else markdown
