"""How the page looks, as far as it can be measured."""

from typing import Any

import pytest
from playwright.async_api import Browser

from tests.dashboard.browser import View, viewing
from tests.dashboard.scenes import HUGE, ORDINARY, SCENES, TROUBLE
from tests.dashboard.stand_in import StandIn, figures, minute

pytestmark = pytest.mark.anyio

SCHEMES = ("light", "dark")

TOO_WIDE = """() => {
    const isTooWide = (each) => {
        const text = document.createRange();
        text.selectNodeContents(each);
        const box = each.closest('div, section, svg, header, table, body');
        const { right, width } = text.getBoundingClientRect();
        return width > 0 && right > Math.min(box.getBoundingClientRect().right, innerWidth) + 0.5;
    };
    const all = document.querySelectorAll('body *:not(.mark, .mark *)');
    return [...all].filter(isTooWide).map((each) => each.outerHTML);
}"""
"""What is written beyond the box it stands in, or beyond the window."""

CONTRASTS = """() => {
    const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
    const light = (colour) => channels(colour).slice(0, 3)
        .map((each) => each / 255)
        .map((each) => each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4)
        .reduce((sum, each, index) => sum + each * [0.2126, 0.7152, 0.0722][index], 0);
    const ground = (element) => {
        for (let each = element; each; each = each.parentElement) {
            const colour = getComputedStyle(each).backgroundColor;
            if ((channels(colour)[3] ?? 1) === 1) return colour;
        }
    };
    const between = (one, other) => {
        const [a, b] = [light(one), light(other)].sort((a, b) => b - a);
        return (a + 0.05) / (b + 0.05);
    };
    const contrast = (colour, element) => between(colour, ground(element));
    const found = [];
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
        const element = texts.currentNode.parentElement;
        if (!texts.currentNode.data.trim() || !element.checkVisibility()) continue;
        const style = getComputedStyle(element);
        const colour = element instanceof SVGElement ? style.fill : style.color;
        found.push([texts.currentNode.data, 4.5, contrast(colour, element)]);
    }
    const lamp = document.querySelector('.lamp');
    const colour = getComputedStyle(lamp).borderLeftColor;
    found.push(['lamp', 3, contrast(colour, lamp.parentElement)]);
    const area = getComputedStyle(document.querySelector('#chart .queued')).fill;
    for (const each of document.querySelectorAll('.queued-edge, .completed, .failed')) {
        const { stroke } = getComputedStyle(each);
        found.push([each.getAttribute('class'), 3, contrast(stroke, each)]);
        found.push([`${each.getAttribute('class')} on queued`, 3, between(stroke, area)]);
    }
    return found;
}"""
"""What stands there, the contrast that WCAG AA asks of it, and the one it has."""


@pytest.mark.parametrize("width", [180, 320, 360, 640, 1280, 2560])
async def test_nothing_is_wider_than_the_window_or_its_box(
    stand_in: StandIn, browser: Browser, width: int
) -> None:
    """At 180 it is a narrow telephone at 200 %, at 640 a desk."""
    async with viewing(browser, viewport={"width": width, "height": 800}) as view:
        for name, scene in SCENES.items():
            stand_in.stats = scene
            await view.open(stand_in.url)
            await view.expect_state("paused" if scene["paused"] else "live")
            await view.page.locator("summary").click()

            assert await view.ask("document.documentElement.scrollWidth") <= width, name
            assert await view.ask(TOO_WIDE) == [], name


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_all_that_is_written_and_drawn_has_the_contrast_it_needs(
    stand_in: StandIn, browser: Browser, scheme: str
) -> None:
    async with viewing(browser, color_scheme=scheme) as view:
        view.may_lose_the_broker = True
        for scene in SCENES.values():
            stand_in.stats = scene
            await view.open(stand_in.url)
            await view.expect_state("paused" if scene["paused"] else "live")
            await view.page.locator("summary").click()
            await expect_contrast(view)

        stand_in.stats = TROUBLE
        await view.expect_text("#dead_letter", "5")
        await stand_in.go_away()
        await view.expect_state("away")
        await expect_contrast(view)


async def test_it_is_light_or_dark_as_the_reader_likes_it(
    stand_in: StandIn, browser: Browser
) -> None:
    grounds = []
    for scheme in SCHEMES:
        async with viewing(browser, color_scheme=scheme) as view:
            await view.open(stand_in.url)
            script = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)"
            grounds.append(await view.ask(script))

    assert min(grounds[0]) > 200
    assert max(grounds[1]) < 50


@pytest.mark.parametrize(("motion", "seconds"), [("reduce", "0s"), ("no-preference", "0.2s")])
async def test_nothing_moves_for_who_does_not_like_it(
    stand_in: StandIn, browser: Browser, motion: str, seconds: str
) -> None:
    async with viewing(browser, reduced_motion=motion) as view:
        await view.open(stand_in.url)
        script = "getComputedStyle(document.querySelector('.lamp')).transitionDuration"
        assert str(await view.ask(script)).split(", ")[0] == seconds


async def test_the_figures_are_of_one_size_and_as_large_as_there_is_room_for(
    stand_in: StandIn, view: View
) -> None:
    sizes = []
    for scene in (ORDINARY, HUGE):
        stand_in.stats = scene
        await view.open(stand_in.url)
        await view.expect_state("live")
        script = """() => [...document.querySelectorAll('.figures .number')]
            .map((each) => Math.round(parseFloat(getComputedStyle(each).fontSize)))"""
        sizes.append(set(await view.ask(script)))

    (ordinary,), (huge,) = sizes
    assert ordinary > 48 > huge > 24


async def test_who_has_nothing_yet_is_told_how_to_begin(stand_in: StandIn, view: View) -> None:
    await view.open(stand_in.url)

    await view.expect_shown("#hint-start")
    command = await view.page.locator("#curl").text_content()
    assert command is not None
    assert command.startswith(f"curl -X POST {stand_in.url}task \\\n")
    await view.expect_text("#hint-start pre:last-child", "miniqueue work module:handlers")

    stand_in.stats = figures(workers=1, history=minute(queued=[1]))
    await view.expect_shown("#hint-start", is_shown=False)


async def test_who_lacks_workers_or_has_dead_letters_is_told_what_helps(
    stand_in: StandIn, view: View
) -> None:
    stand_in.stats = TROUBLE
    await view.open(stand_in.url)

    await view.expect_text("#hint-workers code", "miniqueue work module:handlers")
    await view.expect_text("#hint-dead pre:last-child", "miniqueue redrive tasks.dead")

    stand_in.stats = TROUBLE | {"dead_letter_topic": "given up & <b>lost</b>"}
    told = "miniqueue redrive 'given up & <b>lost</b>'"
    await view.expect_text("#hint-dead pre:last-child", told)
    await view.expect_shown("#hint-start", is_shown=False)
    for part in ("#hint-dead", "#dead-figure"):
        words = await view.page.locator(part).inner_text()
        assert "given up" in words
        assert "fail" not in words, "some were rejected, or of a type that nobody knows"

    stand_in.stats = ORDINARY
    await view.expect_shown("#hints", is_shown=False)


async def test_the_page_is_built_of_parts_that_a_screen_reader_names(
    stand_in: StandIn, view: View
) -> None:
    stand_in.stats = ORDINARY
    await view.open(stand_in.url)
    await view.expect_state("live")

    tree = await view.page.locator("body").aria_snapshot()

    for part in (
        "- banner:",
        '- heading "Task queue" [level=1]',
        "- status: Live",
        "- main:",
        '- region "Now":',
        '- region "The last 60 seconds":',
        '- img "The last 60 seconds"',
    ):
        assert part in tree, tree


async def test_the_table_is_opened_by_keyboard_and_follows(stand_in: StandIn, view: View) -> None:
    stand_in.stats = ORDINARY
    await view.open(stand_in.url)
    await view.expect_state("live")

    await view.page.keyboard.press("Tab")
    await view.page.keyboard.press("Enter")

    rows = view.page.locator("tbody tr")
    await rows.nth(59).wait_for()  # a browser tells of the opening in its own time
    assert await rows.count() == 60
    assert await rows.nth(1).locator("th, td").all_text_contents() == ["2", "58", "31", "2"]
    stand_in.stats = figures(history=minute(queued=[8765, 0]))
    await view.expect_text("tbody tr:nth-child(2)", "28,76500")


async def expect_contrast(view: View) -> None:
    found: list[Any] = await view.ask(CONTRASTS)
    assert len(found) > 40
    assert [each for each in found if each[2] < each[1]] == []
