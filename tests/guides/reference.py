"""The API reference as HTML, by pdoc, with the guides in it. `python reference.py DIRECTORY` builds it and checks it.

A public name without a docstring, or a link that leads nowhere, is an error.
"""

from __future__ import annotations

import re
import sys
import tempfile
from html import unescape
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pdoc
from pdoc.doc import Class, Doc, Module, Variable

MODULES = (
    "campaigns_async",
    "campaigns_async.query",
    "campaigns_async.jobs",
    "campaigns_async.export",
    "campaigns_async.sandbox",
    "campaigns_async.sandbox.presets",
    "campaigns_async.segments",
)
SPECIFIED = [name for name in MODULES if name not in {"campaigns_async.query", "campaigns_async.sandbox.presets"}]
"""The modules without those that pdoc finds in the `__all__` of another one."""
GUIDES = "campaigns_async_guides"
_COMMENT = re.compile(r"^<!-- .* -->\n", re.MULTILINE)
_LINK = re.compile(r"\]\(([\w-]+)\.md(#[^)]*)?\)")
_HEADING = re.compile(r"^(#+) (.+)$", re.MULTILINE)


def main(target: Path) -> int:
    """Build the reference in a directory, print what is wrong with it, and return the exit code."""
    for module in map(import_module, MODULES):
        for name in getattr(module, "__all__", ()):
            getattr(module, name)  # imports it: pdoc looks for names that are there already
    faults = [fault for name in MODULES for fault in find_missing_docstrings(Module.from_name(name))]
    with tempfile.TemporaryDirectory() as folder:
        write_guides(Path(folder, GUIDES))
        sys.path.insert(0, folder)
        pdoc.render.configure(docformat="google", show_source=False, footer_text="campaigns-async")
        pdoc.pdoc(*SPECIFIED, GUIDES, output_directory=target)
    lead_to_classes(target)
    faults += find_dead_links(target)
    for fault in faults:
        print(fault)
    return 1 if faults else 0


def write_guides(package: Path) -> None:
    """Write each guide as the docstring of a module."""
    package.mkdir()
    names: list[str] = []
    lines = ["# The guides", ""]
    for file in sorted(files("campaigns_async").joinpath("guides").iterdir(), key=lambda file: file.name):
        if not file.name.endswith(".md"):
            continue
        text = _COMMENT.sub("", file.read_text("utf-8"))
        topic = file.name.removesuffix(".md")
        name = topic.replace("-", "_")
        text = _LINK.sub(lambda found: f"]({found[1].replace('-', '_')}.html{found[2] or ''})", text)
        (package / f"{name}.py").write_text(f"__all__ = []\n__doc__ = {text!r}\n", "utf-8")
        names.append(name)
        lines.append(f"- [{_HEADING.findall(text)[0][1]}]({GUIDES}/{name}.html)")
    index = "\n".join(lines)
    (package / "__init__.py").write_text(f"__all__ = {names!r}\n__doc__ = {index!r}\n", "utf-8")


def find_missing_docstrings(documented: Module | Class) -> list[str]:
    """Return the public names without a docstring, in a module and its classes."""
    missing = [] if documented.docstring else [f"{documented.fullname}: no docstring"]
    for member in documented.own_members:
        if is_public(member):
            if isinstance(member, Class):
                missing += find_missing_docstrings(member)
            elif not member.docstring:
                missing.append(f"{member.fullname}: no docstring")
    return missing


def is_public(member: Doc[object]) -> bool:
    """Return True for a name that needs a docstring. A field is described in the `Attributes:` of its class."""
    return not (member.name.startswith("_") or isinstance(member, (Variable, Module)))


def lead_to_classes(target: Path) -> None:
    """Have links to an inherited member, which pdoc does not repeat, lead to the class."""
    for page in target.rglob("*.html"):
        text = page.read_text("utf-8")
        anchors = set(re.findall(r'\bid="([^"]+)"', text))

        def shorten(found: re.Match[str], anchors: set[str] = anchors) -> str:
            return found[0] if f"{found[1]}.{found[2]}" in anchors else f'href="#{found[1]}"'

        page.write_text(re.sub(r'href="#(\w+)\.(\w+)"', shorten, text), "utf-8")


def find_dead_links(target: Path) -> list[str]:
    """Return the links between the pages that lead to no file or no heading."""
    pages = {page: page.read_text("utf-8") for page in target.rglob("*.html")}
    anchors = {page: set(re.findall(r'\bid="([^"]+)"', text)) for page, text in pages.items()}
    dead: list[str] = []
    for page, text in pages.items():
        for link in {unescape(found) for found in re.findall(r'<a\b[^>]*\bhref="([^"]+)"', text)}:
            parts = urlsplit(link)
            if parts.scheme or link.startswith("${"):  # of the search's script
                continue
            other = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            if other not in pages or (parts.fragment and unquote(parts.fragment) not in anchors[other]):
                dead.append(f"{page.relative_to(target)}: dead link: {link}")
    return dead


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
