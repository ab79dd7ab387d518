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
from pathlib import Path
from typing import Any, NamedTuple

import plyvel

from miniqueue_py.errors import StorageCorrupt
from miniqueue_py.storage.keyvalue.leveldb.copies import damages_of_files
from miniqueue_py.storage.keyvalue.leveldb.files import VERSION, WRITE_BUFFER_BYTES, words_of
from miniqueue_py.storage.keyvalue.leveldb.log_tail import keep_what_verifies
from miniqueue_py.storage.keyvalue.leveldb.manifest import read_manifest
from miniqueue_py.storage.keyvalue.leveldb.verified import Verified
from miniqueue_py.storage.ordered.damages import words_of_gap
from miniqueue_py.storage.ordered.layout import keys, records
from miniqueue_py.storage.ordered.topic_state import TopicState

_BATCH = 1000
_EVERYTHING = (b"", b"\xff")
_WITHOUT_MEANING = {"LOCK", "LOG", "LOG.old"}


class Salvaged(NamedTuple):
    """What came of it."""

    damages: list[str]
    topics: list[tuple[str, int, int]]
    """Name, messages that the topic's record tells of, and messages that are there."""


def salvage(path: Path, work: Path) -> Salvaged:
    """Make `work / "repaired"`. Raises plyvel.Error, StorageCorrupt, OSError."""
    source = work / "source"
    source.mkdir(parents=True)
    for at in path.iterdir():
        if at.is_file() and at.name not in _WITHOUT_MEANING:
            os.link(at, source / at.name)
    damages: list[str] = []
    _have_a_list_of_files(source, damages)
    with _open(source, damages) as damaged, _create(work / "repaired") as repaired:
        reads = Verified(damaged)
        told = _topics_of(reads)
        reads.watch(lambda start, stop: damages.append(words_of_gap(start, stop, told.get)))
        _copy(reads, repaired)
        topics = list(_agree(repaired, told))
    shutil.rmtree(source)
    return Salvaged(list(dict.fromkeys(damages)), topics)


def _have_a_list_of_files(source: Path, damages: list[str]) -> None:
    """Make a new one if there is none, or it does not fit what is there."""
    try:
        before = len(damages)
        manifest = read_manifest(source)
        damages += damages_of_files(source, manifest)
        if not any(".ldb" in damage for damage in damages[before:]):
            return
    except (StorageCorrupt, OSError) as error:
        damages.append(f"the list of files cannot be read: {words_of(error)}")
    for log in source.glob("*.log"):
        kept = keep_what_verifies(log.read_bytes())
        if kept is not None:
            damages.append(f"{log.name} is read up to byte {len(kept)}, where it is damaged")
            log.unlink()  # and not written to: it is a link
            log.write_bytes(kept)
    _make_a_list_of_files(source)


def _make_a_list_of_files(source: Path) -> None:
    plyvel.repair_db(str(source), paranoid_checks=True, compression=None)


def _open(source: Path, damages: list[str]) -> Any:
    database = _open_as_it_is(source, damages)
    try:
        database.iterator().close()
    except plyvel.CorruptionError as error:
        # The index of a table that overlaps others: nothing can be read beside it.
        damages.append(f"a table is damaged as a whole: {words_of(error)}")
        database.close()
        _make_a_list_of_files(source)
        return _open_as_it_is(source, damages)
    return database


def _open_as_it_is(source: Path, damages: list[str]) -> Any:
    options = {"compression": None, "write_buffer_size": 2 * WRITE_BUFFER_BYTES}
    try:
        return plyvel.DB(str(source), paranoid_checks=True, **options)
    except plyvel.CorruptionError as error:
        damages.append(f"a log is damaged: {words_of(error)}")
        return plyvel.DB(str(source), paranoid_checks=False, **options)


def _create(path: Path) -> Any:
    return plyvel.DB(
        str(path),
        create_if_missing=True,
        error_if_exists=True,
        compression=None,
        write_buffer_size=WRITE_BUFFER_BYTES,
        bloom_filter_bits=10,
    )


def _topics_of(reads: Verified) -> dict[int, TopicState]:
    topics: dict[int, TopicState] = {}
    for key, record in reads.read(*keys.whole(keys.TOPICS)):
        try:
            topics[keys.topic_id_of(key)] = TopicState.decode(key, record)
        except (StorageCorrupt, UnicodeDecodeError):
            continue
    return topics


def _copy(reads: Verified, repaired: Any) -> None:
    batch = repaired.write_batch()
    for number, (key, record) in enumerate(reads.read(*_EVERYTHING), 1):
        batch.put(key, record)
        if number % _BATCH == 0:
            batch.write()
            batch = repaired.write_batch()
    batch.write()


def _agree(repaired: Any, told: dict[int, TopicState]) -> Iterator[tuple[str, int, int]]:
    """Have each topic's record agree with what is there; say what it told, and what there is."""
    doomed = {keys.topic_id_of(key) for key, _ in repaired.iterator(prefix=keys.DOOMED)}
    delayed, delayed_size = _count_delayed(repaired)
    with_messages = _ids_in(repaired, keys.MESSAGES)
    known = sorted(({*told, *with_messages, *delayed}) - doomed)
    names = {topic.name for topic in told.values()}
    for topic_id in known:
        topic = told.get(topic_id)
        says = topic.stored + topic.delayed if topic else 0
        if topic is None:
            topic = TopicState(topic_id, _free_name(topic_id, names))
        _count_stored(repaired, topic)
        topic.delayed = delayed[topic_id]
        topic.size += delayed_size[topic_id]
        topic.kept_keys = sum(
            1
            for _ in repaired.iterator(
                prefix=keys.range_of(keys.KEPT_ORDER, topic_id)[0], include_value=False
            )
        )
        repaired.put(topic.record_key, topic.encode())
        yield topic.name, says, topic.stored + topic.delayed
    last = max([0, *known, *doomed, *_last_id(repaired)])
    repaired.put(keys.LAST_TOPIC_KEY, keys.topic_key(last))
    repaired.put(keys.VERSION_KEY, VERSION, sync=True)


def _count_stored(repaired: Any, topic: TopicState) -> None:
    topic.stored = topic.size = 0
    start, stop = keys.message_range(topic.id)
    for key, record in repaired.iterator(start=start, stop=stop):
        position = keys.position_of(key)
        topic.stand_at(key)
        topic.front = min(topic.front, position)
        topic.back = max(topic.back, position + 1)
        topic.stored += 1
        topic.size += _size(record)
    topic.begin_anew()


def _count_delayed(repaired: Any) -> tuple[Counter[int], Counter[int]]:
    counts: Counter[int] = Counter()
    sizes: Counter[int] = Counter()
    for key, record in repaired.iterator(prefix=keys.DELAYED):
        topic_id = keys.delayed_fields(key)[1]
        counts[topic_id] += 1
        sizes[topic_id] += _size(record)
    return counts, sizes


def _size(record: bytes) -> int:
    try:
        return len(records.decode(record, (0, 0)).body)
    except StorageCorrupt:
        return 0


def _ids_in(repaired: Any, space: bytes) -> list[int]:
    """Name the topics that have anything in a space, with a look for each."""
    found: list[int] = []
    with repaired.iterator(prefix=space, include_value=False) as entries:
        for key in entries:
            found.append(keys.topic_id_of(key))
            entries.seek(keys.range_of(space, found[-1])[1])
    return found


def _last_id(repaired: Any) -> list[int]:
    last = repaired.get(keys.LAST_TOPIC_KEY)
    return [] if last is None else [keys.topic_id_of(last)]


def _free_name(topic_id: int, names: set[str]) -> str:
    name = f"recovered-{topic_id}"
    while name in names:
        name += "-"
    names.add(name)
    return name
