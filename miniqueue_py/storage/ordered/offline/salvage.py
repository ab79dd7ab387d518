"""What can still be read of a damaged database, written into a new one.

LevelDB's own repair aborts the process on some files, believes logs without
looking at their checksums, and knows nothing of topics. So it is asked only
where the list of files is damaged, for a new list. All records are then read
as they verify, and copied; and the record of each topic is made to agree with
what is there.

This works on links beside the database, and in a process of its own.
"""

import os
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from miniqueue_py.errors import StorageCorrupt
from miniqueue_py.storage.keyvalue.database import Database
from miniqueue_py.storage.keyvalue.libraries import LEVELDB, library_of
from miniqueue_py.storage.keyvalue.library import Library
from miniqueue_py.storage.keyvalue.log_tail import keep_what_verifies
from miniqueue_py.storage.keyvalue.words import words_of
from miniqueue_py.storage.ordered.damages import words_of_gap
from miniqueue_py.storage.ordered.layout import keys, records
from miniqueue_py.storage.ordered.layout.version import VERSION
from miniqueue_py.storage.ordered.offline.files import damages_of_files
from miniqueue_py.storage.ordered.offline.portions import portions, write_portion
from miniqueue_py.storage.ordered.topic_state import TopicState

_EVERYTHING = (b"", b"\xff")
_WITHOUT_MEANING = {"LOCK", "LOG", "LOG.old"}


class Salvaged(NamedTuple):
    """What came of it."""

    damages: list[str]
    topics: list[tuple[str, int, int]]
    """Name, messages that the topic's record tells of, and messages that are there."""


def salvage(path: Path, work: Path) -> Salvaged:
    """Make `work / "repaired"`. Raises DatabaseRefused, DatabaseFailed, StorageCorrupt, OSError."""
    library = library_of(path) or LEVELDB
    source, made = work / "source", work / "repaired"
    for directory in (source, made):
        directory.mkdir(parents=True)
    for at in path.iterdir():
        if at.is_file() and at.name not in _WITHOUT_MEANING:
            os.link(at, source / at.name)
    damages: list[str] = []
    _have_a_list_of_files(library, source, damages)
    with (
        closing(library.opening().open_damaged(source, damages)) as damaged,
        closing(library.open(made)) as repaired,
    ):
        told = _topics_of(damaged)
        damaged.watch(lambda start, stop: damages.append(words_of_gap(start, stop, told.get)))
        for portion in portions(damaged.read(*_EVERYTHING)):
            write_portion(repaired, portion)
        topics = list(_agree(repaired, told))
    shutil.rmtree(source)
    return Salvaged(list(dict.fromkeys(damages)), topics)


def _have_a_list_of_files(library: Library, source: Path, damages: list[str]) -> None:
    """Make a new one if there is none, or it does not fit what is there."""
    try:
        before = len(damages)
        manifest = library.read_manifest(source)
        damages += damages_of_files(source, manifest, library.table_suffix)
        if not any(library.table_suffix in damage for damage in damages[before:]):
            return
    except (StorageCorrupt, OSError) as error:
        damages.append(f"the list of files cannot be read: {words_of(error)}")
    for log in source.glob("*.log"):
        kept = keep_what_verifies(log.read_bytes())
        if kept is not None:
            damages.append(f"{log.name} is read up to byte {len(kept)}, where it is damaged")
            log.unlink()  # and not written to: it is a link
            log.write_bytes(kept)
    library.opening().rebuild_manifest(source)


def _topics_of(reads: Database) -> dict[int, TopicState]:
    topics: dict[int, TopicState] = {}
    for key, record in reads.read(*keys.whole(keys.TOPICS)):
        try:
            topics[keys.topic_id_of(key)] = TopicState.decode(key, record)
        except (StorageCorrupt, UnicodeDecodeError):
            continue
    return topics


def _agree(repaired: Database, told: dict[int, TopicState]) -> Iterator[tuple[str, int, int]]:
    """Have each topic's record agree with what is there; say what it told, and what there is."""
    doomed = {keys.topic_id_of(key) for key, _ in repaired.read_strictly(*keys.whole(keys.DOOMED))}
    delayed, delayed_size = _count_delayed(repaired)
    with_messages = _ids_in(repaired, keys.MESSAGES)
    known = sorted(({*told, *with_messages, *delayed}) - doomed)
    names = {topic.name for topic in told.values()}
    batch = repaired.batch()
    for topic_id in known:
        topic = told.get(topic_id)
        says = topic.stored + topic.delayed if topic else 0
        if topic is None:
            topic = TopicState(topic_id, _free_name(topic_id, names))
        _count_stored(repaired, topic)
        topic.delayed = delayed[topic_id]
        topic.size += delayed_size[topic_id]
        kept = repaired.read_strictly(*keys.range_of(keys.KEPT_ORDER, topic_id))
        topic.kept_keys = sum(1 for _ in kept)
        batch.put(topic.record_key, topic.encode())
        yield topic.name, says, topic.stored + topic.delayed
    last = max([0, *known, *doomed, *_last_id(repaired)])
    batch.put(keys.LAST_TOPIC_KEY, keys.topic_key(last))
    batch.put(keys.VERSION_KEY, VERSION)
    repaired.write_through(batch)


def _count_stored(repaired: Database, topic: TopicState) -> None:
    topic.stored = topic.size = 0
    start, stop = keys.message_range(topic.id)
    for key, record in repaired.read_strictly(start, stop):
        position = keys.position_of(key)
        topic.stand_at(key)
        topic.front = min(topic.front, position)
        topic.back = max(topic.back, position + 1)
        topic.stored += 1
        topic.size += _size(record)
    topic.begin_anew()


def _count_delayed(repaired: Database) -> tuple[Counter[int], Counter[int]]:
    counts: Counter[int] = Counter()
    sizes: Counter[int] = Counter()
    for key, record in repaired.read_strictly(*keys.whole(keys.DELAYED)):
        topic_id = keys.delayed_fields(key)[1]
        counts[topic_id] += 1
        sizes[topic_id] += _size(record)
    return counts, sizes


def _size(record: bytes) -> int:
    try:
        return len(records.decode(record, (0, 0)).body)
    except StorageCorrupt:
        return 0


def _ids_in(repaired: Database, space: bytes) -> list[int]:
    """Name the topics that have anything in a space, with a look for each."""
    found: list[int] = []
    at, end = keys.whole(space)
    while (entry := next(repaired.read_strictly(at, end), None)) is not None:
        found.append(keys.topic_id_of(entry[0]))
        at = keys.range_of(space, found[-1])[1]
    return found


def _last_id(repaired: Database) -> list[int]:
    last = repaired.get(keys.LAST_TOPIC_KEY)
    return [] if last is None else [keys.topic_id_of(last)]


def _free_name(topic_id: int, names: set[str]) -> str:
    name = f"recovered-{topic_id}"
    while name in names:
        name += "-"
    names.add(name)
    return name
