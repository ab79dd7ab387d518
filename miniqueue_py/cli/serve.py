"""`miniqueue`, or `miniqueue serve`: run a broker until it is told to stop."""

import os
import sys
from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import get_args, get_type_hints

from miniqueue_py.cli.first_words import first_words
from miniqueue_py.config.settings import Settings, load_settings, settings_table
from miniqueue_py.descriptor_writer import unblocked_stderr
from miniqueue_py.errors import BadSetting
from miniqueue_py.http.dialects.known import DIALECTS, NAMES
from miniqueue_py.setting import Chapter
from miniqueue_py.telemetry.logs import configure_logs, dropped_line
from miniqueue_py.tls.paths import certificate_paths

_CERTIFICATES = Path("certs")
"""Where those for development are, and are made."""

_TOLD_AT = {"debug", "info"}
"""The levels at which it is told that the broker listens, and what to type then."""

_HELP = {"-h", "-help", "--help"}
_HEAD = """\
miniqueue [serve] [-flag value]...   run a broker
MiniQueue's flags, with their defaults:"""
_LAST_OF_MINIQUEUE = "port"
_MORE = "and more:"
_DIALECTS_HEAD = """\
The APIs of other queue systems: under {folders} of
the broker's own port, and where -dialect says, in clear HTTP:
  -dialect NAME=PORT, -dialect NAME=HOST:PORT
        at the root of a port, of 127.0.0.1 unless a host is given; more than
        once for several."""
_LIMITS_HEAD = "What clients may take together, with the defaults (docs/operating.md has more):"
_ACCESS_HEAD = """\
Who reaches the broker, and how, with the defaults. Lists have commas, or the
flag again; docs/security.md has more:"""
_BROKERS_HEAD = "Several brokers on one -db postgresql://..., with the defaults (docs/scaling.md):"
_TAIL = """\
More flags: miniqueue serve -h access, ... limits, ... dialects, ... brokers.
A flag wins over its variable (MINIQUEUE_MAX_MSGS), and that over the file."""


def serve(argv: Sequence[str], environ: Mapping[str, str] = os.environ) -> int:
    """Start with these settings; the exit status comes when the broker has stopped."""
    if _HELP.intersection(argv):
        print(_help_of(argv))
        return 0
    settings = load_settings(argv, environ)
    _refuse_the_root(settings)
    # What is made is nobody else's: LevelDB asks for 755 and 644.
    os.umask(0o077)
    told = dropped_line(human=settings.human, stream=sys.stderr)
    with unblocked_stderr(told) as stream:
        configure_logs(settings.level, human=settings.human, stream=stream)
        # Last, and here: a wrong setting is told before the doors and engines load.
        from miniqueue_py.server import run  # noqa: PLC0415

        def tell_what_to_type(url: str) -> None:
            if settings.human and settings.certificate is None and settings.level in _TOLD_AT:
                stream.write(first_words(url, certificate_paths(_CERTIFICATES).authority))
                stream.flush()

        return run(settings, _CERTIFICATES, tell_what_to_type)


def parser() -> ArgumentParser:
    """Tell the flags to `miniqueue completion`; what reads them is config/settings.py."""
    parser = ArgumentParser(add_help=False)
    for owner, name, setting in settings_table():
        kinds = get_args(get_type_hints(owner)[name])
        choices = [kind for kind in kinds if isinstance(kind, str)]
        parser.add_argument(
            f"-{setting.flag}",
            choices=choices or None,
            metavar="FILE" if Path in kinds else None,
            help=setting.explanation,
        )
    return parser


def _help_of(argv: Sequence[str]) -> str:
    if "dialects" in argv:
        return _dialects_help()
    if "brokers" in argv:
        return _chapter_help(_BROKERS_HEAD, "brokers")
    if "limits" in argv:
        return _chapter_help(_LIMITS_HEAD, "limits")
    return _chapter_help(_ACCESS_HEAD, "access") if "access" in argv else _help_text()


def _chapter_help(head: str, chapter: Chapter) -> str:
    told = [each for _, _, each in settings_table() if each.chapter == chapter]
    return "\n".join(
        [
            head,
            *(
                f"  -{each.flag} {each.default}".rstrip() + f"\n        {each.explanation}"
                for each in told
            ),
        ]
    )


def _help_text() -> str:
    lines = [_HEAD]
    for _, _, setting in settings_table():
        if setting.chapter:
            continue
        between = "=" if setting.is_switch else " "
        flag = f"-{setting.flag}{between}{setting.default}"
        lines.append(f"  {flag:<22} {setting.explanation}")
        if setting.flag == _LAST_OF_MINIQUEUE:
            lines.append(_MORE)
    return "\n".join([*lines, _TAIL])


def _dialects_help() -> str:
    *folders, last = (f"/{name}" for name in NAMES)
    lines = [_DIALECTS_HEAD.format(folders=f"{', '.join(folders)} and {last}")]
    for _, _, setting in settings_table():
        if setting.chapter == "dialects":
            alias = f"; also {setting.alias}" if setting.alias else ""
            lines.append(f"  -{setting.flag} {setting.default}".rstrip())
            lines.append(f"        {setting.explanation}{alias}")
    for dialect in DIALECTS:
        if dialect.port_variable:
            both = f"{dialect.port_variable} and {dialect.host_variable}"
            lines.append(f"{both} stand in for -dialect {dialect.name}=HOST:PORT.")
        lines += [f"{name} stands in for -{flag}." for flag, name in dialect.aliases.items()]
    return "\n".join(lines)


def _refuse_the_root(settings: Settings) -> None:
    """Make nothing in / that nobody asked for; use what is there. Raises BadSetting."""
    if Path.cwd() != Path("/"):
        return
    if settings.database == Settings().database and not Path(settings.database).exists():
        raise BadSetting(
            "-db", "none is made in /, where this was started; name a directory for it"
        )
    if settings.certificate is None and not _CERTIFICATES.exists():
        raise BadSetting("-cert", "none is made in /, where this was started; give -cert and -key")
