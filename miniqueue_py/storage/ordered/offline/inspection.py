"""What a database holds, told without a broker.

What makes no sense is told as a damage, and the rest is read all the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from miniqueue_py.broker.message import Message
from miniqueue_py.broker.policy import TopicPolicy
from miniqueue_py.broker.storage import TopicStatistics
from miniqueue_py.errors import DatabaseRefused, StorageCorrupt, TopicNotFound
from miniqueue_py.storage.keyvalue.database import DatabaseFailed, RecordDamaged
from miniqueue_py.storage.keyvalue.library import Library
from miniqueue_py.storage.keyvalue.manifest import Manifest
from miniqueue_py.storage.keyvalue.words import words_about_files, words_of
from miniqueue_py.storage.ordered.layout.version import version_of
from miniqueue_py.storage.ordered.offline.files import (
    check_is_database,
    check_is_free,
    damages_of_files,
)
from miniqueue_py.storage.ordered.offline.reading import Advance, Reading

_MOST_DAMAGES = 100
"""So many are told; a longer list helps nobody."""


class TopicOnDisk(NamedTuple):
    """A topic as its last broker left it: what was in flight is ready."""

    name: str
    statistics: TopicStatistics
    oldest_ms: int | None
    """When the oldest of the first of each priority was published."""
    policy: TopicPolicy
    kept_keys: int


class Kept(NamedTuple):
    """A message on disk."""

    message: Message
    due_ms: int | None
    """None for one that is ready."""


@dataclass(slots=True)
class Inspection:
    """A database while no broker has it open."""

    path: Path
    format: str | None = None
    """None where no broker has written anything, or it cannot be read."""
    files: int = 0
    bytes: int = 0
    """Of all files."""
    topics: list[TopicOnDisk] = field(default_factory=list)
    unswept: int = 0
    """Topics that were deleted, or that a load did not finish, and that still take space."""
    messages: Sequence[Kept] = ()
    """The first of the topic that was asked for."""
    damages: list[str] = field(default_factory=list)

    def note(self, damage: str) -> None:
        if len(self.damages) < _MOST_DAMAGES and damage not in self.damages:
            self.damages.append(damage)


def inspect_database(
    path: Path, *, topic: str | None = None, most: int = 0, check: Advance | None = None
) -> Inspection:
    """Look at a database and at the first messages of a topic; `check` all of it.

    Raises DatabaseRefused for what is none, is in use, or in an unknown
    format; TopicNotFound.
    """
    library = check_is_database(path)
    inspection = Inspection(path)
    try:
        sizes = [at.stat().st_size for at in path.iterdir()]
        inspection.files, inspection.bytes = len(sizes), sum(sizes)
        manifest = library.read_manifest(path)
        for damage in damages_of_files(path, manifest, library.table_suffix):
            inspection.note(damage)
        try:
            _look(inspection, library, manifest, topic, most, check)
        except RecordDamaged as error:
            inspection.note(words_about_files(error))
            _look(inspection, library, manifest, topic, most, check, passes_over_damage=True)
    except (StorageCorrupt, DatabaseFailed) as error:
        check_is_free(path)  # a broker that began since would explain all
        inspection.note(words_about_files(error))
    except OSError as error:
        check_is_free(path)
        raise DatabaseRefused(f"{path} cannot be read: {words_of(error)}") from error
    return inspection


def _look(  # noqa: PLR0913, PLR0917  what is wanted is handed through
    inspection: Inspection,
    library: Library,
    manifest: Manifest,
    topic: str | None,
    most: int,
    check: Advance | None,
    *,
    passes_over_damage: bool = False,
) -> None:
    path = inspection.path
    with library.look_into(path, manifest, passes_over_damage=passes_over_damage) as database:
        try:
            version, problem = version_of(database)
        except DatabaseFailed as error:
            inspection.note(f"its format cannot be read: {words_about_files(error)}")
        else:
            if problem is not None:
                raise DatabaseRefused(f"{path} {problem}")
            inspection.format = None if version is None else version.decode()
        reading = Reading(database, inspection.note)
        inspection.unswept = reading.unswept
        inspection.topics = [
            TopicOnDisk(
                state.name,
                state.statistics,
                reading.oldest_ms(state),
                state.policy,
                state.kept_keys,
            )
            for state in reading.topics
        ]
        if check is not None:
            reading.check(check)
        if topic is not None:
            state = next((each for each in reading.topics if each.name == topic), None)
            if state is None:
                raise TopicNotFound(topic)
            inspection.messages = [Kept(*each) for each in reading.messages(state, most)]
