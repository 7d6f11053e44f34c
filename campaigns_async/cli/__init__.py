"""The command line `campaigns-async`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final, NoReturn

_EXTRA: Final = frozenset({"click", "phonenumbers", "rich"})


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line, and exit with its exit code: 0 done, 1 failed, 2 wrong use, 130 interrupted, 141 closed pipe.

    Args:
        arguments: The arguments after the program's name; None for those of the process.
    """
    try:
        from campaigns_async.cli.app import run

        code = run(arguments, extra=_EXTRA)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in _EXTRA:
            raise
        print(
            f'campaigns-async: the command line needs {package}: install it with: pip install "campaigns-async[cli]"',
            file=sys.stderr,
        )
        code = 2
    except KeyboardInterrupt:
        print("campaigns-async: interrupted", file=sys.stderr)
        code = 130
    sys.exit(code)
