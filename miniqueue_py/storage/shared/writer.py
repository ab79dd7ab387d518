"""One line by which a broker writes: what came in one turn of the loop is written together."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from miniqueue_py.broker.message import Stored
from miniqueue_py.broker.write_times import Times
from miniqueue_py.errors import KeyReused, StorageUnavailable
from miniqueue_py.storage.shared.claims import Held
from miniqueue_py.storage.shared.store import Lost, Store, Turn
from miniqueue_py.storage.shared.writes import Append, Carry, GiveBack, Write

RETRY_SECONDS = 0.2
"""Between two attempts at settlements while the store is away."""

_Asked = tuple[Write, "asyncio.Future[Any]"]


class Writer:
    """Writes in order, a turn at a time; what comes meanwhile gathers for the next.

    Settlements are tried again until the broker is lost; publications fail at once.
    """

    def __init__(  # noqa: PLR0913, PLR0917  handed in by the one engine
        self,
        store: Store,
        line: int,
        times: Times,
        on_written: Callable[[Sequence[Write]], None],
        on_failure: Callable[[StorageUnavailable | None], None],
        on_lost: Callable[[], None],
    ) -> None:
        self.broker = 0
        self._store = store
        self._line = line
        self._times = times
        self._on_written = on_written
        self._on_failure = on_failure
        self._on_lost = on_lost
        self._turn = 0
        self._asked: list[_Asked] = []
        self._touched: dict[int, Held] = {}
        self._unwritten: list[Write] = []
        """Settlements whose turn failed, or of which nobody knows."""
        self._waiting: list[asyncio.Future[None]] = []
        self._wanted = asyncio.Event()
        self._is_idle = asyncio.Event()
        self._is_idle.set()
        self._task: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<Writer {self._line}, turn {self._turn}>"

    def start(self, broker: int) -> None:
        """Write in the name of that broker from now on."""
        self.broker = broker
        self._turn = 0
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    def ask(self, write: Write) -> "asyncio.Future[Any]":
        """Write it; return what is done with its answer."""
        asked: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._asked.append((write, asked))
        self._wake()
        return asked

    def touch(self, held: Held) -> None:
        """Write what was settled of that topic."""
        self._touched[held.number] = held
        self._wake()

    def written(self) -> "asyncio.Future[None]":
        """Return what is done when all that came so far is written."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self._is_idle.is_set():
            done.set_result(None)
        else:
            self._waiting.append(done)
            self._wanted.set()  # a turn may be under way that does not know of it
        return done

    def lose(self) -> None:
        """Forget settlements: they are of messages that others have."""
        self.broker = 0
        self._touched.clear()
        self._unwritten.clear()

    async def aclose(self) -> None:
        """Stop, whatever is not written."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._fail(self._asked, StorageUnavailable("the broker has stopped"))
        self._tell(self._waiting, StorageUnavailable("the broker has stopped"))

    def _wake(self) -> None:
        self._is_idle.clear()
        self._wanted.set()

    async def _run(self) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            await asyncio.sleep(0)  # what else comes in this turn of the loop is written with it
            asked, self._asked = self._asked, []
            waiting, self._waiting = self._waiting, []
            settled = self._unwritten
            for held in self._touched.values():
                settled += held.take_writes()
            self._touched.clear()
            self._unwritten = []
            await self._write(asked, settled, waiting)
            if not self._wanted.is_set():
                self._is_idle.set()

    async def _write(
        self,
        asked: list[_Asked],
        settled: list[Write],
        waiting: "list[asyncio.Future[None]]",
    ) -> None:
        appends, whose = _together(asked)
        if not appends and not settled:
            self._tell(waiting, None)
            return
        broker, self._turn = self.broker, self._turn + 1
        if not broker:
            self._fail(asked, StorageUnavailable("this broker registers anew"))
            self._tell(waiting, None)
            return
        turn = Turn(broker, self._line, self._turn)
        began = self._times.began = asyncio.get_running_loop().time()
        try:
            answers = await self._store.write(turn, [*appends, *settled])
        except Lost:
            self._fail(asked, StorageUnavailable("the store took this broker for gone"))
            self._tell(waiting, None)  # settled they are, by whoever has them now
            if self.broker == broker:
                self._on_lost()
        except StorageUnavailable as error:
            self._fail(asked, error)
            self._on_failure(error)
            if not settled or self.broker != broker:
                self._tell(waiting, error)
                return
            # The same turn again, without what was published: if it was made, it is not made
            # twice; if not, the settlements are.
            self._unwritten = settled
            self._turn -= 1
            self._waiting = waiting + self._waiting
            self._wake()
            await asyncio.sleep(RETRY_SECONDS)
        except Exception as error:
            self._fail(asked, error)
            self._tell(waiting, error)
            raise
        else:
            self._on_failure(None)
            self._times.note(asyncio.get_running_loop().time() - began)
            for (_, futures), answer in zip(whose, answers, strict=False):
                _answer(futures, answer)
            self._on_written([*appends, *settled])
            self._tell(waiting, None)
        finally:
            self._times.began = None

    @staticmethod
    def _fail(asked: Sequence[_Asked], error: Exception) -> None:
        for _, future in asked:
            if not future.done():
                future.set_exception(error)
                future.exception()  # so that asyncio does not log it if nobody asks

    @staticmethod
    def _tell(waiting: "Sequence[asyncio.Future[None]]", error: Exception | None) -> None:
        for future in waiting:
            if future.done():
                continue
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)
                future.exception()


_Whose = tuple[Write, list[tuple["asyncio.Future[Any]", int]]]
"""What is written, and who waits for how many of its answers."""


def _together(asked: Sequence[_Asked]) -> tuple[list[Write], list[_Whose]]:
    """Join publications that follow each other and are alike but for their bodies."""
    joined: list[_Whose] = []
    for write, future in asked:
        if isinstance(write, Append) and joined and isinstance(joined[-1][0], Append):
            before, futures = joined[-1]
            assert isinstance(before, Append)  # noqa: S101  for the type checker
            if _alike(before, write):
                both = before._replace(publications=[*before.publications, *write.publications])
                joined[-1] = both, [*futures, (future, len(write.publications))]
                continue
        count = len(write.publications) if isinstance(write, Append) else 0
        joined.append((write, [(future, count)]))
    return [write for write, _ in joined], joined


def _alike(one: Append, other: Append) -> bool:
    same = one.topic == other.topic and int(one.now * 1000) == int(other.now * 1000)
    same = same and one.keep_keys_for == other.keep_keys_for and one.batch is other.batch is None
    # One that is refused for its key is refused alone.
    return same and not any(each.key for each in (*one.publications, *other.publications))


def _answer(futures: Sequence[tuple["asyncio.Future[Any]", int]], answer: Any) -> None:
    start = 0
    for future, count in futures:
        part: Sequence[Stored] | Any = (
            answer if not count or isinstance(answer, KeyReused) else answer[start : start + count]
        )
        start += count
        if future.done():
            continue
        if isinstance(answer, KeyReused):
            future.set_exception(answer)
            future.exception()
        else:
            future.set_result(part)


def woken_by(writes: Sequence[Write]) -> "tuple[set[str], set[int]]":
    """Return the topics where something became ready, by name or by number."""
    names = {each.topic for each in writes if isinstance(each, Append)}
    names |= {each.target for each in writes if isinstance(each, Carry)}
    return names, {each.topic for each in writes if isinstance(each, GiveBack)}
