"""`miniqueue token`: who may do what with a broker, in the file that it reads.

The file is changed here and nowhere else; a broker that has it as -tokens goes by it within
a second.
"""

import os
import re
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path

from miniqueue_py.cli.output import FAILED, OK, complain, note, print_json, print_table
from miniqueue_py.cli.parser import CommandParser
from miniqueue_py.errors import BadSetting
from miniqueue_py.http.access.principal import Principal
from miniqueue_py.http.access.rights import RIGHTS, Right, shown_topic
from miniqueue_py.http.access.secrets import PREFIX, digest_of, new_secret
from miniqueue_py.http.access.token_file import (
    BadTokenFile,
    add_token,
    read_tokens,
    revoke_token,
)
from miniqueue_py.http.access.token_line import (
    TokenLine,
    format_instant,
    format_line,
    parse_glob,
    parse_line,
)
from miniqueue_py.units import parse_duration

_DAYS = re.compile(r"([1-9][0-9]{0,4})d")
_DAY_SECONDS = 86_400
_CHECK_WORDS = 3


def token(words: Sequence[str]) -> int:
    options = parser().parse_intermixed_args(words)  # options may stand before WORDs
    if options.tokens is None:
        raise BadSetting("token", "which file? give --tokens FILE, or set MINIQUEUE_TOKENS")
    actions = {"new": _new, "list": _list, "revoke": _revoke, "check": _check}
    try:
        return actions[options.action](options)
    except BadTokenFile as error:
        return complain(error, FAILED)


def parser() -> ArgumentParser:
    parser = CommandParser(
        "token",
        "new|list|revoke|check [options]",
        "`new` makes a token, and prints its secret once; `revoke NAME` takes it away; "
        "`check TOKEN RIGHT TOPIC` tells if it may, by its name or, with - for TOKEN, by its "
        "secret on stdin. Globs are as 'orders.*'; a dead-letter topic follows its topic.",
    )
    parser.add_argument("action", choices=("new", "list", "revoke", "check"), metavar="ACTION")
    parser.add_argument("words", nargs="*", metavar="WORD")
    parser.add_argument("--name", help="of a new token, for the log and for `revoke`")
    for right, text in _RIGHTS.items():
        parser.add_argument(f"--{right}", action="append", metavar="GLOB", help=text)
    parser.add_argument("--expires", metavar="TIME", help="after so long, as 90d or 12h; never")
    parser.add_argument("--rate", metavar="N", help="requests a second; no bound")
    parser.add_argument("--streams", metavar="N", help="streams open at once; no bound")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--tokens",
        type=Path,
        default=os.environ.get("MINIQUEUE_TOKENS") or None,
        metavar="FILE",
        help="the broker's -tokens (MINIQUEUE_TOKENS)",
    )
    return parser


_RIGHTS: dict[Right, str] = {
    "publish": "topics to publish to; may be repeated, as those below",
    "consume": "topics to take messages from",
    "inspect": "topics to look at: figures, messages, metrics",
    "admin": "topics to rule: policy, purge, delete, redrive, pause",
}


def _new(options: Namespace) -> int:
    _take_words(options, 0)
    if not options.name:
        raise BadSetting("token", "new needs --name NAME")
    secret = new_secret()
    line = _line_of(options, secret)
    if not line.principal.scopes:
        note(f"{options.name} may do nothing: give --publish GLOB, --consume GLOB, ...")
    add_token(options.tokens, line)
    if options.json:
        print_json({"name": options.name, "token": secret})
    else:
        print(secret)
        note("this is shown once; only its digest is kept")
    return OK


def _list(options: Namespace) -> int:
    _take_words(options, 0)
    lines = [line.principal for line in read_tokens(options.tokens)]
    if options.json:
        for each in lines:
            print_json(
                {"name": each.name}
                | {right: list(globs) for right, globs in each.scopes.items()}
                | ({} if each.expires_at is None else {"expires": format_instant(each.expires_at)})
            )
        return OK
    print_table(("name", "expires", *RIGHTS), [_row(each) for each in lines])
    return OK


def _revoke(options: Namespace) -> int:
    [name] = _take_words(options, 1)
    if not revoke_token(options.tokens, name):
        return complain(f"no token is called {name!r}", FAILED)
    if options.json:
        print_json({"revoked": name})
    return OK


def _check(options: Namespace) -> int:
    who, right, topic = _take_words(options, _CHECK_WORDS)
    if right not in RIGHTS:
        raise BadSetting("token", f"{right!r} is no right: {', '.join(RIGHTS)} are")
    principal = _find(read_tokens(options.tokens), who)
    if principal is None:
        return complain("that token is not in the file", FAILED)
    if principal.is_expired(time.time()):
        return complain(f"{principal.name} is expired", FAILED)
    may = principal.may(right, topic)
    if options.json:
        print_json({"name": principal.name, "right": right, "topic": topic, "allowed": may})
    elif may:
        print(f"{principal.name} has the right {right} on {shown_topic(topic)}")
    else:
        complain(f"{principal.name} lacks the right {right} on {shown_topic(topic)}", FAILED)
    return OK if may else FAILED


def _find(lines: Sequence[TokenLine], who: str) -> Principal | None:
    """Return the principal of that name, or of that secret."""
    secret = sys.stdin.readline().strip() if who == "-" else who
    is_secret = who == "-" or who.startswith(PREFIX)
    digest = digest_of(secret.encode(errors="replace"))
    for line in lines:
        if line.digest == digest if is_secret else line.principal.name == who:
            return line.principal
    return None


def _line_of(options: Namespace, secret: str) -> TokenLine:
    """Return what was asked for. Raises BadSetting."""
    expires = "" if options.expires is None else format_instant(time.time() + _wait(options))
    scopes: dict[Right, tuple[str, ...]] = {}
    for right in RIGHTS:
        if globs := getattr(options, right):
            try:
                scopes[right] = tuple(map(parse_glob, globs))
            except ValueError as error:
                raise BadSetting("token", f"--{right} {error}") from None
    principal = Principal(name=options.name, scopes=scopes)
    text = format_line(TokenLine(principal, digest_of(secret.encode())))
    for field, value in (
        ("expires", expires),
        ("rate", options.rate),
        ("streams", options.streams),
    ):
        text += f" {field}={value}" if value else ""
    try:
        line = parse_line(text)  # what is written is what a broker can read
    except ValueError as error:
        raise BadSetting("token", str(error)) from None
    if line is None or line.principal.name != options.name:
        raise BadSetting("token", "--name is letters, digits and . _ @ : -")
    return line


def _wait(options: Namespace) -> float:
    days = _DAYS.fullmatch(options.expires)
    if days:
        return int(days[1]) * _DAY_SECONDS
    try:
        return parse_duration(options.expires)
    except ValueError as error:
        raise BadSetting("token", f"--expires {options.expires!r} {error}, nor 90d") from None


def _take_words(options: Namespace, count: int) -> Sequence[str]:
    words: Sequence[str] = options.words
    if len(words) != count:
        wanted = {0: "no words", 1: "NAME", 3: "TOKEN RIGHT TOPIC"}[count]
        raise BadSetting("token", f"{options.action} takes {wanted} behind it")
    return words


def _row(principal: Principal) -> Sequence[str]:
    expires = "" if principal.expires_at is None else format_instant(principal.expires_at)
    globs = (",".join(principal.scopes.get(right, ())) for right in RIGHTS)
    return principal.name, expires, *globs
