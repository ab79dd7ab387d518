"""`miniqueue migrate`: make or upgrade the schema of a database that brokers share."""

import asyncio
from argparse import ArgumentParser
from collections.abc import Sequence

from miniqueue_py.cli.output import OK
from miniqueue_py.cli.parser import CommandParser
from miniqueue_py.database_address import without_password
from miniqueue_py.storage.opening import migrate as migrate_store


def migrate(words: Sequence[str]) -> int:
    """Make the steps that are missing, all or none."""
    url: str = parser().parse_args(words).url
    before, after = asyncio.run(migrate_store(url))
    where = without_password(url)
    if before == after:
        print(f"{where} is at version {after} already")
    else:
        print(f"{where} went from version {before} to {after}")
    return OK


def parser() -> ArgumentParser:
    parser = CommandParser(
        "migrate",
        "URL",
        "Make or upgrade the schema that brokers with -db URL use. The user of the URL must be "
        "allowed to create a schema; the one of the brokers need not be.",
    )
    parser.add_argument("url", metavar="URL", help="postgresql://USER:PASSWORD@HOST/DATABASE")
    return parser
