"""`campaigns-async completion`: prints the script that completes commands in a shell."""

from __future__ import annotations

import click

from campaigns_async.cli.console import PROGRAM, print_output
from campaigns_async.cli.options import Command

_VARIABLE = f"_{PROGRAM.replace('-', '_').upper()}_COMPLETE"
"""The variable by which the script asks the program for completions; click's `main` reads it."""


@click.command("completion", cls=Command)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script that completes commands in your shell.

    To install it in bash, add this line to ~/.bashrc, and open a new shell:

        source <(campaigns-async completion bash)

    In zsh, add the same line with "zsh" to ~/.zshrc, after compinit. In fish, write the script to
    ~/.config/fish/completions/campaigns-async.fish.
    """
    from click.shell_completion import get_completion_class

    script = get_completion_class(shell)
    if script is not None:
        print_output(script(context.find_root().command, {}, PROGRAM, _VARIABLE).source(), newline=False)
