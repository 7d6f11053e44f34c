"""The place of the hook for PyInstaller, which finds it by the entry point `pyinstaller40`."""

from pathlib import Path


def get_hook_dirs() -> list[str]:
    """Return the directory of the hook."""
    return [str(Path(__file__).parent)]
