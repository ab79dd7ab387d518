"""The drawing of the last minute is true."""

import re

import pytest
from playwright.async_api import expect

from tests.dashboard.browser import View
from tests.dashboard.scenes import ORDINARY
from tests.dashboard.stand_in import SECONDS, StandIn, minute

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("peak", "ticks"),
    [
        (0, [0, 1]),
        (1, [0, 1]),
        (4, [0, 1, 2, 3, 4]),
        (5, [0, 2, 4, 6]),
        (58, [0, 20, 40, 60]),
        (100, [0, 50, 100]),
        (101, [0, 50, 100, 150]),
        (12_345_678, [0, 5_000_000, 10_000_000, 15_000_000]),
    ],
)
async def test_the_scale_is_of_round_numbers_and_leaves_little_empty(
    stand_in: StandIn, view: View, peak: int, ticks: list[int]
) -> None:
    await view.open(stand_in.url)

    script = "async (peak) => (await import('./chart.js')).ticksUpTo(peak)"
    assert await view.ask(script, peak) == ticks


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "less than 1 s"),
        (0.99, "less than 1 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (192.4, "3 min 12 s"),
        (3600, "1 h"),
        (3659, "1 h"),
        (93_784, "1 d 2 h"),
        (1e9, "11,574 d 1 h"),
    ],
)
async def test_times_are_told_in_their_two_largest_units(
    stand_in: StandIn, view: View, seconds: float, words: str
) -> None:
    await view.open(stand_in.url)

    script = "async (seconds) => (await import('./words.js')).duration(seconds)"
    assert await view.ask(script, seconds) == words


async def test_each_second_is_as_high_as_it_counts(stand_in: StandIn, view: View) -> None:
    stand_in.stats = ORDINARY | {
        "history": minute(queued=[20, 40, 60], completed=[60, 0, 30], failed=[0, 30, 0])
    }
    await view.open(stand_in.url)
    await view.expect_state("live")

    top, bottom = await height_of(view, 60), await height_of(view, 0)

    def y(value: float) -> float:
        return bottom - (bottom - top) * value / 60

    roof = [float(each) for each in re.findall(r"V([\d.]+)H", await shape(view, "queued-edge"))]
    assert roof == pytest.approx([y(0)] * (SECONDS - 3) + [y(20), y(40), y(60)])
    line = [float(each) for each in re.findall(r" ([\d.]+)", await shape(view, "completed"))]
    assert line == pytest.approx([y(0)] * (SECONDS - 3) + [y(60), y(0), y(30)])
    stems = re.findall(r"M[\d.]+ ([\d.]+)V([\d.]+)m", await shape(view, "failed"))
    assert [tuple(map(float, stem)) for stem in stems] == [pytest.approx((y(0), y(30)))]


async def test_the_second_that_is_pointed_at_is_told(stand_in: StandIn, view: View) -> None:
    stand_in.stats = ORDINARY
    await view.open(stand_in.url)
    await view.expect_state("live")
    box = await view.page.locator("#chart").bounding_box()
    assert box is not None

    await view.page.mouse.move(box["x"] + box["width"] - 30, box["y"] + 50)
    await view.expect_text("#summary", "2 s ago: 58 queued, 31 completed, 2 failed")

    await view.page.mouse.move(0, 0)
    await view.expect_text("#summary", "In all: 100 queued, 89 completed, 2 failed")


async def test_the_end_of_an_old_minute_is_not_called_now(stand_in: StandIn, view: View) -> None:
    view.may_lose_the_broker = True
    await view.open(stand_in.url)
    last = view.page.locator("#chart text").last
    await expect(last).to_have_text("now")

    await stand_in.go_away()

    await expect(last).to_have_text("last seen")


async def shape(view: View, name: str) -> str:
    return str(await view.page.locator(f"#chart .{name}").get_attribute("d"))


async def height_of(view: View, tick: int) -> float:
    """Where the line of a number is."""
    script = """(tick) => {
        const label = [...document.querySelectorAll('#chart text')]
            .find((each) => each.textContent === String(tick));
        return label.previousSibling.getAttribute('d').match(/ ([\\d.]+)H/)[1];
    }"""
    return float(await view.ask(script, tick))
