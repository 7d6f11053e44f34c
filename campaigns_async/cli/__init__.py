"""The command line `campaigns-async`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final, NoReturn

_EXTRA: Final = frozenset({"click", "phonenumbers", "rich"})


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line, and exit: 0 done, 1 failed, 2 called wrongly, 130 interrupted, 141 nobody reads on.

    Args:
        arguments: What follows the program's name; None: as the process was started.
    """
    sys.exit(_run(arguments))


def needs_extra(error: ModuleNotFoundError) -> bool:
    """Whether what is missing comes with the extra `cli`."""
    return (error.name or "").partition(".")[0] in _EXTRA


def _run(arguments: Sequence[str] | None) -> int:
    try:
        from campaigns_async.cli.app import run

        return run(arguments)
    except ModuleNotFoundError as error:
        if not needs_extra(error):
            raise
        print(
            f"campaigns-async: the command line needs {error.name}: "
            'install it with: pip install "campaigns-async[cli]"',
            file=sys.stderr,
        )
        return 2
    except KeyboardInterrupt:
        print("campaigns-async: interrupted", file=sys.stderr)
        return 130
