"""The modules of the sandbox import one way, and nothing of the client."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

from campaigns_async import sandbox

FOLDER = Path(sandbox.__file__).parent


def imports_of(path: Path) -> set[str]:
    """Return the sandbox's modules that a module imports, anywhere in it, including imports for types."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            assert node.level == 1, f"{path.name} imports from outside of the sandbox"
            found |= {node.module} if node.module else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            assert not any((name or "").startswith("campaigns_async") for name in names), path.name
    return found


def test_no_module_imports_itself_through_others() -> None:
    graph = {path.stem: imports_of(path) for path in FOLDER.glob("*.py") if path.stem != "__init__"}

    assert set(TopologicalSorter(graph).static_order()) == graph.keys()
