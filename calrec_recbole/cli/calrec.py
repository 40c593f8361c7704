"""`calrec`: the command with subcommands. Their modules are light; what they need is imported when one runs."""

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from calrec_recbole import __version__
from calrec_recbole.durable_files import no_folder
from calrec_recbole.errors import CalrecError, ConfigError, did_you_mean, masked

__all__ = ["main", "say_loading", "spin_briefly"]

COMMANDS = {  # each is a module of calrec_recbole.cli, with add_parser and run
    "import": "data_sets.import_data",
    "prepare": "prepare",
    "check": "data_sets.check",
    "stats": "stats",
    "tune": "tune",
    "compare": "compare",
    "report": "report",
    "push": "hub.push",
    "pull": "hub.pull",
    "rank": "runs.rank",
    "recommend": "runs.recommend",
    "export": "data_sets.export_data",
    "evaluate": "runs.evaluate",
    "demo": "demo",
}
USAGE_ERROR, INTERRUPTED = 2, 130
AGAIN = "the same command starts again"
SPINS = "1000"  # looks at the lock before a thread sleeps; GNU's default is 300,000


class _Parser(argparse.ArgumentParser):
    """Errors in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(USAGE_ERROR, f"error: {message} (see `{self.prog} --help`)\n")


def build_parser() -> argparse.ArgumentParser:
    """The parser of `calrec` with all subcommands; loads neither pandas nor torch."""
    parser = _Parser(
        prog="calrec", description="Data, comparisons and recommendations of calrec-recbole.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"calrec-recbole {__version__}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)
    for module in COMMANDS.values():
        import_module(f"calrec_recbole.cli.{module}").add_parser(subparsers)
    return parser


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = build_parser()
    given = list(sys.argv[1:] if argv is None else argv)
    arguments, unknown = parser.parse_known_args(spelled(parser, given))
    arguments.command_line = shlex.join(["calrec", *map(masked, given)])
    _check_out(arguments)
    if getattr(arguments, "takes_settings", False):  # its --key=value are settings of the models
        arguments.settings = unknown
    elif unknown:
        known = [option for action in arguments.parser._actions for option in action.option_strings]
        near = did_you_mean(unknown[0].split("=")[0], known)
        raise ConfigError(f"unknown argument {unknown[0]}{near} (see `calrec {arguments.command} --help`)")
    return arguments


def _check_out(arguments: argparse.Namespace) -> None:
    """Raises ``ConfigError`` where a folder is to be written and cannot be."""
    for action in arguments.parser._actions:
        is_folder = action.dest == "out" and action.metavar != "FILE" and arguments.out is not None
        if is_folder and (fault := no_folder("--out", arguments.out)):
            raise ConfigError(fault)


def spelled(parser: argparse.ArgumentParser, given: Sequence[str]) -> list[str]:
    """``given`` with options of the subcommand as they are declared: a dash and an underscore mean the same."""
    (commands,) = (action.choices for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    asked = next((commands[word] for word in given if word in commands), parser)
    known = {option for action in asked._actions for option in action.option_strings}
    alike = {_plain(option): option for option in known}

    def declared(word: str) -> str:
        name, is_set, value = word.partition("=")
        return alike.get(_plain(name), name) + is_set + value if name.startswith("--") else word

    return [declared(word) for word in given]


def _plain(option: str) -> str:
    return "--" + option.removeprefix("--").replace("-", "_")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one subcommand; the exit code. What a user can mend is one line on stderr and code 2; Ctrl-C is 130.

    After Ctrl-C a line says how to go on, in the words that the subcommand set as ``goes_on``.
    """
    spin_briefly()
    goes_on = AGAIN
    try:
        arguments = _parse(argv)
        goes_on = getattr(arguments, "goes_on", AGAIN)
        arguments.run(arguments)
        sys.stdout.flush()
    except CalrecError as error:
        print(f"error: {error}", file=sys.stderr)
        return USAGE_ERROR
    except BrokenPipeError:  # `calrec stats | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return USAGE_ERROR
    except KeyboardInterrupt:
        print(f"\ninterrupted: {goes_on}", file=sys.stderr)
        return INTERRUPTED
    return 0


def spin_briefly() -> None:
    """Has OpenMP's waiting threads (GNU's, as in torch's wheels) give their core away soon, unless the environment says
    how they wait. Beside another busy process a waiting thread else holds the core that the awaited one needs.

    Call it before torch is loaded. Source: https://gcc.gnu.org/onlinedocs/libgomp/GOMP_005fSPINCOUNT.html.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)


def say_loading() -> None:
    """Says on stderr that torch and RecBole are being loaded, which takes seconds, unless they are there already."""
    if not {"torch", "recbole"} <= set(sys.modules):
        print("loading torch and RecBole ...", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
