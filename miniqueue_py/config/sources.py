"""Where settings are told: flags, environment, a TOML file.

Each source turns into text by flag. What the text means is the setting's, and
which source wins is settings.py's.
"""

from argparse import SUPPRESS, ArgumentError, ArgumentParser
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from miniqueue_py.database_address import without_password
from miniqueue_py.errors import BadSetting
from miniqueue_py.setting import Setting


@dataclass(frozen=True, slots=True)
class Told:
    """What somebody wrote, and where, if it was not on the command line."""

    text: str
    place: str = ""

    def read_as(self, setting: Setting) -> object:
        try:
            return setting.parse(self.text)
        except ValueError as error:
            place = f" ({self.place})" if self.place else ""
            raise BadSetting(
                f"-{setting.flag}", f"{without_password(self.text)!r} {error}{place}"
            ) from error


def flags(table: Iterable[Setting], argv: Sequence[str]) -> dict[str, Told]:
    """Go's spelling: one dash or two, `-flag value` or `-flag=value`, `-switch`."""
    parser = ArgumentParser(
        add_help=False, allow_abbrev=False, exit_on_error=False, argument_default=SUPPRESS
    )
    for setting in table:
        action = "append" if setting.is_list else "store"
        parser.add_argument(f"--{setting.flag}", dest=setting.flag, action=action)
    switches = {f"--{setting.flag}" for setting in table if setting.is_switch}
    # argparse sees two dashes: with one it would take -por for -port, even
    # without abbreviations. A switch never takes the next word for its value.
    words = [f"-{word}" if word[:1] == "-" and word[1:2].isalpha() else word for word in argv]
    words = [f"{word}=true" if word in switches else word for word in words]
    try:
        values, unexpected = parser.parse_known_args(words)
    except ArgumentError as error:
        raise BadSetting(str(error.argument_name).removeprefix("-"), "needs a value") from error
    if unexpected:
        word = unexpected[0].replace("--", "-", 1)
        raise BadSetting(word, "is not expected here; `miniqueue serve -h` lists the flags")
    return {
        flag: Told(",".join(text) if isinstance(text, list) else text)
        for flag, text in vars(values).items()
    }


def environment(table: Iterable[Setting], environ: Mapping[str, str]) -> dict[str, Told]:
    told: dict[str, Told] = {}
    for setting in table:
        # Our own variable wins. An empty one is how a shell or a compose file says "not set".
        for variable in filter(None, (setting.variable, setting.alias)):
            if environ.get(variable):
                told[setting.flag] = Told(environ[variable], variable)
                break
    return told


def file(table: Iterable[Setting], config: Told) -> dict[str, Told]:
    """Keys are the flags without their dash; a file names no other file."""
    import tomllib  # noqa: PLC0415 - 20 ms that a start without a file does not pay

    try:
        values = tomllib.loads(Path(config.text).read_text(encoding="utf-8"))
    except OSError as error:
        raise BadSetting("-config", f"{config.text}: {error.strerror}") from error
    except ValueError as error:  # not TOML, or not even text
        raise BadSetting("-config", f"{config.text}: {error}") from error
    unknown = values.keys() - ({setting.flag for setting in table} - {"config"})
    if unknown:
        raise BadSetting("-config", f"{config.text}: no setting is called {min(unknown)!r}")
    return {flag: Told(_as_text(flag, value), config.text) for flag, value in values.items()}


def _as_text(flag: str, value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        return str(value)
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return ",".join(value)
    raise BadSetting(f"-{flag}", "is neither text, a number, true nor false")
