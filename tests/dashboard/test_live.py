"""The page follows the broker, and says when it cannot."""

import re
from typing import Any

import pytest

from tests.dashboard.browser import View
from tests.dashboard.scenes import ORDINARY
from tests.dashboard.stand_in import StandIn, figures

pytestmark = pytest.mark.anyio

WITHOUT_WORKERS = {name: value for name, value in figures().items() if name != "workers"}


async def test_figures_appear_and_change_without_a_reload(stand_in: StandIn, view: View) -> None:
    stand_in.stats = ORDINARY
    await view.open(stand_in.url)

    await view.expect_state("live")
    await view.expect_text("#pending", "1,204")
    await view.expect_text("#pending-note", "the oldest for 3 min 12 s")
    await view.expect_text("#processing", "8")
    await view.expect_text("#retrying", "17")
    await view.expect_text("#dead_letter", "0")
    await view.expect_text("#workers", "3")
    await view.expect_text("#rate-queued", "31.4")
    await view.expect_text("#rate-completed", "29.8")
    await view.expect_text("#rate-failed", "0.2")
    await view.expect_text("#summary", "In all: 100 queued, 89 completed, 2 failed")
    await view.expect_text("#detail", "broker up for 1 d 2 h")
    assert await view.page.title() == "1,204 pending · Task queue"

    await view.ask("() => { window.isSame = true }")
    stand_in.stats = ORDINARY | {"pending": 12_345_678, "dead_letter": 1}

    await view.expect_text("#pending", "12,345,678")
    await view.expect_text("#dead_letter", "1")
    assert await view.ask("window.isSame")


async def test_a_broker_that_goes_away_is_missed_at_once_and_found_again_by_itself(
    stand_in: StandIn, view: View
) -> None:
    view.may_lose_the_broker = True
    stand_in.stats = ORDINARY
    await view.open(stand_in.url)
    await view.expect_state("live")

    await stand_in.go_away()

    await view.expect_state("away")
    await view.expect_text("#state", "The broker does not answer")
    await view.expect_text("#detail", re.compile(r"^last seen ([2-9]|\d\d) s ago$"))
    await view.expect_text("#pending", "1,204")  # the last that is known
    assert await view.page.title() == "The broker does not answer · Task queue"
    assert await style_of(view, ".figures", "border-top-style") == "dashed"

    stand_in.stats = ORDINARY | {"pending": 7}
    await stand_in.start()

    await view.expect_state("live")
    await view.expect_text("#pending", "7")
    await view.expect_text("#state", "Live")
    assert await style_of(view, ".figures", "border-top-style") == "solid"


async def test_a_broker_that_is_silent_counts_as_away(stand_in: StandIn, view: View) -> None:
    await view.open(stand_in.url)
    await view.expect_state("live")

    stand_in.answers.clear()
    await view.expect_state("away")

    stand_in.answers.set()
    await view.expect_state("live")


async def test_without_any_answer_there_are_no_figures(stand_in: StandIn, view: View) -> None:
    stand_in.answers.clear()
    await view.open(stand_in.url)

    await view.expect_state("away")
    await view.expect_text("#detail", "nothing seen yet")
    await view.expect_text("#pending", "\u2013")
    await view.expect_shown("#hint-start", is_shown=False)


@pytest.mark.parametrize(
    "nonsense",
    [
        b"",
        b"<h1>It works!</h1>",
        b"null",
        b"[]",
        b'"pending"',
        WITHOUT_WORKERS,
        figures(pending=-1),
        figures(pending="12"),
        figures(pending=None),
        figures(oldest_pending_seconds="long"),
        figures(paused=0),
        figures(dead_letter_topic=None),
        figures(rates=None),
        figures(rates={"queued": 1, "completed": 1}),
        figures(history={"queued": [1], "completed": [1], "failed": [1]}),
        figures(history=figures()["history"] | {"failed": [None] * 60}),
        figures(history=figures()["history"] | {"failed": "0" * 60}),
    ],
    ids=str,
)
async def test_an_answer_that_is_none_is_said_to_be_none(
    stand_in: StandIn, view: View, nonsense: Any
) -> None:
    await view.page.clock.install()
    stand_in.stats = ORDINARY
    await view.open(stand_in.url)
    await view.expect_state("live")

    stand_in.stats = nonsense
    await view.page.clock.run_for(1000)
    await view.expect_state("broken")
    await view.expect_text("#state", "The answer of the broker makes no sense")
    await view.expect_text("#pending", "1,204")

    stand_in.stats = ORDINARY
    await view.page.clock.run_for(1000)
    await view.expect_state("live")


async def test_the_status_of_an_error_is_shown(stand_in: StandIn, view: View) -> None:
    view.may_lose_the_broker = True
    stand_in.status = 503
    await view.open(stand_in.url)

    await view.expect_state("broken")
    await view.expect_text("#state", "The broker answers with error 503")


async def test_a_pause_is_told_and_how_it_ends(stand_in: StandIn, view: View) -> None:
    stand_in.stats = figures(pending=90, paused=True)
    await view.open(stand_in.url)

    await view.expect_state("paused")
    await view.expect_text("#state", "Paused")
    await view.expect_text("#hint-paused code", "miniqueue resume tasks")

    stand_in.stats = figures(pending=90)
    await view.expect_state("live")
    await view.expect_shown("#hint-paused", is_shown=False)


async def test_it_never_asks_twice_at_once(stand_in: StandIn, view: View) -> None:
    await view.page.clock.install()
    await view.open(stand_in.url)
    await view.expect_state("live")
    stand_in.answers.clear()
    async with view.page.expect_request("**/stats"):
        await view.page.clock.run_for(1000)

    await show_tab(view, is_hidden=True)
    await show_tab(view, is_hidden=False)
    await view.page.clock.run_for(1900)
    stand_in.stats = figures(pending=3)
    stand_in.answers.set()

    await view.expect_text("#pending", "3")
    assert view.most_at_once == 1


async def test_a_hidden_tab_asks_seldom_and_one_that_is_seen_again_asks_at_once(
    stand_in: StandIn, view: View
) -> None:
    await view.page.clock.install()
    await view.open(stand_in.url)
    await view.expect_text("#pending", "0")
    await show_tab(view, is_hidden=True)
    stand_in.stats = figures(pending=2)
    await view.page.clock.run_for(1000)
    await view.expect_text("#pending", "2")

    stand_in.stats = figures(pending=3)
    await view.page.clock.run_for(9900)
    assert stand_in.asked == 2
    await view.page.clock.run_for(100)
    await view.expect_text("#pending", "3")

    stand_in.stats = figures(pending=4)
    await show_tab(view, is_hidden=False)
    await view.expect_text("#pending", "4")
    assert stand_in.asked == 4


async def test_a_screen_reader_is_not_told_the_same_each_second(
    stand_in: StandIn, view: View
) -> None:
    await view.open(stand_in.url)
    await view.expect_state("live")
    await view.ask(
        """() => {
            window.told = 0;
            const observer = new MutationObserver((changes) => { window.told += changes.length });
            const terms = { subtree: true, childList: true, characterData: true, attributes: true };
            const live = document.querySelectorAll('[aria-live], [role=status]');
            for (const each of live) observer.observe(each, terms);
        }"""
    )

    await stand_in.wait_asked(3)

    assert await view.ask("window.told") == 0


async def show_tab(view: View, *, is_hidden: bool) -> None:
    await view.ask(
        """(isHidden) => {
            Object.defineProperty(document, 'hidden', { value: isHidden, configurable: true });
            document.dispatchEvent(new Event('visibilitychange'));
        }""",
        is_hidden,
    )


async def style_of(view: View, selector: str, name: str) -> str:
    script = "([css, name]) => getComputedStyle(document.querySelector(css)).getPropertyValue(name)"
    return str(await view.ask(script, [selector, name]))
