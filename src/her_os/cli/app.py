"""`her-os`: a table of commands. Naming one here is all that a new command module needs.

A command's module is imported when the command is used, not before, so `her-os --help` answers at once and a
daemon loads nothing that belongs to another.
"""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass

import typer

from her_os import __version__
from her_os.cli.examples import (
    CALL_EXAMPLES,
    CONFIG_EXAMPLES,
    FIRST_STEPS,
    MODELS_EXAMPLES,
    PHONE_EXAMPLES,
    PREFLIGHT_EXAMPLES,
    RUN_EXAMPLES,
)
from her_os.cli.help import HELP_OPTIONS, as_it_is, explain
from her_os.contracts.errors import ConfigError, HerOsError

EXIT_FAILED, EXIT_CONFIG, EXIT_INTERRUPTED = 1, 78, 130


@dataclass(frozen=True)
class Command:
    """One row of the table: `module:attribute`, where the attribute is a function or a typer app.

    `examples` are lines shown below the command's own help.
    """

    name: str
    target: str
    help: str
    examples: tuple[str, ...] = ()


COMMANDS = (
    Command("run", "her_os.cli.run:run", "Run the whole assistant in the foreground; Ctrl-C stops it.", RUN_EXAMPLES),
    Command(
        "status", "her_os.cli.status:status", "The state of the whole and of each daemon; --watch keeps showing it."
    ),
    Command("restart", "her_os.cli.restart:restart", "Restart one daemon."),
    Command("logs", "her_os.cli.logs:logs", "The last lines of one daemon."),
    Command("phone", "her_os.cli.phone:app", "Accounts of the phones in the house: add, list, remove.", PHONE_EXAMPLES),
    Command("call", "her_os.cli.call:call", "Place a call with the built-in test phone.", CALL_EXAMPLES),
    Command("dial", "her_os.cli.dial:dial", "Have the assistant call a phone of the house, or a number it may call."),
    Command("calls", "her_os.cli.calls:app", "The call log: list calls, show one, search what was said."),
    Command("transcribe", "her_os.cli.transcribe:transcribe", "Turn recordings into transcripts and summaries."),
    Command("recordings", "her_os.cli.recordings:app", "Remove old calls with all of their traces."),
    Command(
        "models", "her_os.cli.models:app", "The models on this machine: list, pull, verify, remove.", MODELS_EXAMPLES
    ),
    Command("wake", "her_os.cli.wake:app", "The wake word of the room: train one of your own."),
    Command("mail", "her_os.cli.mail:app", "Completion mail: try the server, list and send what waits."),
    Command("smoke", "her_os.cli.smoke:smoke", "Check a real synthesis byte by byte: can it be heard?"),
    Command("validate", "her_os.cli.validate:validate", "Record a live call; three good ones let barge-in be trusted."),
    Command(
        "preflight",
        "her_os.cli.preflight:preflight",
        "Is this machine ready for a first call? Nine gates.",
        PREFLIGHT_EXAMPLES,
    ),
    Command("config", "her_os.cli.config:app", "Check the configuration, or show what is in force.", CONFIG_EXAMPLES),
    Command("install", "her_os.cli.install:install", "Install or upgrade her-os as systemd units; needs root."),
    Command("uninstall", "her_os.cli.install:uninstall", "Take the systemd units away again; needs root."),
    Command("wait-ready", "her_os.cli.wait_ready:wait_ready", "Return when a daemon is ready."),
    Command("daemon", "her_os.cli.daemon:daemon", "Run one daemon in the foreground (what systemd and `run` do)."),
)

app = typer.Typer(
    name="her-os",
    help="A household voice assistant that you phone.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": HELP_OPTIONS},
    epilog=as_it_is(FIRST_STEPS),
)


def main() -> None:
    """Entry point. A mistake the operator can mend is one line on stderr, never a traceback."""
    try:
        app(prog_name="her-os")
    except ConfigError as error:
        sys.stderr.write(f"her-os: {_with_its_line(error)}\n")
        raise SystemExit(EXIT_CONFIG) from None
    except HerOsError as error:
        sys.stderr.write(f"her-os: {error}\n")
        raise SystemExit(EXIT_FAILED) from None
    except KeyboardInterrupt:
        raise SystemExit(EXIT_INTERRUPTED) from None


def _with_its_line(error: ConfigError) -> ConfigError:
    from her_os.settings.positions import located

    return located(error, error.file) if error.file else error


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"her-os {__version__}")
        raise typer.Exit


@app.callback()
def _options(  # pyright: ignore[reportUnusedFunction] - typer calls it
    version: bool = typer.Option(
        False, "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
    ),
) -> None:
    """A household voice assistant that you phone."""


def _mount(command: Command) -> None:
    """Register a stub that hands its arguments, `--help` included, to the real command."""

    @app.command(
        command.name,
        help=command.help,
        add_help_option=False,
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []},
    )
    def forward(context: typer.Context) -> None:  # pyright: ignore[reportUnusedFunction] - typer calls it
        module, _, attribute = command.target.partition(":")
        target = getattr(importlib.import_module(module), attribute)
        if not isinstance(target, typer.Typer):
            single = typer.Typer(add_completion=False)
            single.command()(target)
            target = single
        real = typer.main.get_command(target)
        explain(real, command.examples)
        real.main(args=list(context.args), prog_name=f"her-os {command.name}")


for _command in COMMANDS:
    _mount(_command)
