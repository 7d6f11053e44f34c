"""A hook that lists the modules which the package imports by their names, and its data files."""

from importlib.util import find_spec
from pathlib import Path

_ROOT = Path(__file__).parents[1]
_BY_NAME = ("pyarrow", "pyarrow.parquet")

hiddenimports = [
    ".".join((_ROOT.name, *path.relative_to(_ROOT).with_suffix("").parts)).removesuffix(".__init__")
    for path in _ROOT.rglob("*.py")
    if path.parent.name != "_pyinstaller" and path.stem != "pytest_plugin"
] + [name for name in _BY_NAME if find_spec("pyarrow")]
datas = [
    (str(path), str(path.parent.relative_to(_ROOT.parent)))
    for pattern in ("*.json", "*.md", "py.typed")
    for path in _ROOT.rglob(pattern)
]
