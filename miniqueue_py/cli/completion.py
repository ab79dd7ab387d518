"""`miniqueue completion`: what makes a shell complete these words, and topics by name.

The words are those of the commands' own parsers; shtab turns them into the
language of each shell.

Names of topics are other people's words: in no shell may one be expanded.
"""

from argparse import Action, ArgumentParser
from collections.abc import Mapping, Sequence

from miniqueue_py.cli.commands import COMMANDS
from miniqueue_py.cli.output import OK
from miniqueue_py.cli.parser import CommandParser

SHELLS = ("bash", "zsh", "fish")

_ASK = "timeout 2 miniqueue topics --names 2>/dev/null"
"""A broker that is away, or slow, completes nothing."""

_TOPICS = {"bash": "_miniqueue_topics", "zsh": "_miniqueue_topics", "fish": f"({_ASK})"}

_PREAMBLE = {
    "bash": f"""\
_miniqueue_topics() {{
  local topic
  while IFS= read -r topic; do
    [[ "$topic" == "$1"* ]] && printf '%q\\n' "$topic"
  done < <({_ASK})
}}
""",
    "zsh": f"""\
_miniqueue_topics() {{
  local -a topics
  topics=("${{(@f)$({_ASK})}}")
  compadd -a topics
}}
""",
}


def completion(words: Sequence[str]) -> int:
    options = parser().parse_args(words)
    print(script(options.shell))
    return OK


def parser() -> ArgumentParser:
    parser = CommandParser(
        "completion",
        "bash|zsh|fish",
        "Print what completes commands, options, files and topics in your shell. In ~/.bashrc: "
        'eval "$(miniqueue completion bash)". For zsh: save it as _miniqueue in a directory of '
        "$fpath. For fish: save it as ~/.config/fish/completions/miniqueue.fish.",
    )
    parser.add_argument("shell", choices=SHELLS)
    return parser


def script(shell: str) -> str:
    import shtab  # noqa: PLC0415  no other command needs it

    # `miniqueue` alone serves, and so takes the flags of `serve`.
    root = ArgumentParser("miniqueue", add_help=False, parents=[COMMANDS["serve"].parser()])
    commands = root.add_subparsers()
    kinds = {"FILE": shtab.FILE, "DIR": shtab.DIRECTORY, "TOPIC": _TOPICS}
    for name, command in COMMANDS.items():
        words = command.parser()
        for action in words._actions:  # noqa: SLF001  argparse has no other way, and shtab goes it
            _complete(action, kinds)
        commands.add_parser(name, parents=[words], add_help=False, help=command.summary)
    text: str = shtab.complete(root, shell, preamble=_PREAMBLE.get(shell, ""))
    return text


def _complete(action: Action, by: Mapping[str, object]) -> None:
    how = by.get(str(action.metavar))
    if how is not None:
        action.complete = how  # type: ignore[attr-defined]  # shtab looks for it
