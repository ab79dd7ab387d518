"""When freed memory is given back."""

from miniqueue_py.freed_memory import LOOK_SECONDS, MOST_SECONDS, WORTH_BYTES, Trimming


class Heap:
    """Memory in use, and free memory that the process keeps until it is trimmed."""

    def __init__(self) -> None:
        self.used = 30 << 20
        self.free = 0
        self.trims = 0

    def resident(self) -> int:
        return self.used + self.free

    def trim(self) -> None:
        self.free = 0
        self.trims += 1


def test_what_a_flood_took_is_given_back_when_it_is_over() -> None:
    heap = Heap()
    trimming = Trimming(heap.trim, heap.resident)
    trimming.look()
    assert heap.trims == 0

    heap.used += 300 << 20
    trimming.look()
    heap.used -= 300 << 20
    heap.free += 300 << 20
    trimming.look()
    trimming.look()

    assert heap.free == 0


def test_memory_that_is_in_use_is_seldom_looked_through() -> None:
    heap = Heap()
    trimming = Trimming(heap.trim, heap.resident)
    heap.used += 1 << 30

    for _ in range(int(24 * 3600 / LOOK_SECONDS)):
        trimming.look()

    assert heap.trims <= 24 * 3600 / MOST_SECONDS + 10


def test_nothing_is_done_about_little() -> None:
    heap = Heap()
    trimming = Trimming(heap.trim, heap.resident)
    heap.free += WORTH_BYTES - 1

    trimming.look()

    assert heap.trims == 0
