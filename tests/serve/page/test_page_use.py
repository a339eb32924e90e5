from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

sync_api = pytest.importorskip("playwright.sync_api")
expect = sync_api.expect
QUERY = "merge two dictionaries"
ADDRESS = {"q": QUERY, "index": "code"}
FULL = {
    "q": QUERY,
    "i.name": "function",
    "compare": 1,
    "i2": "Find the guide",
    "index": "code",
    "f": ['["ne","number",3]', '["gte","number",1]'],
    "k": 5,
    "pages": 2,
    "min": "-0.5",
    "rerank": 1,
}


def test_an_address_holds_the_whole_search(visits: Callable[..., Any]) -> None:
    one = visits()
    one.open(FULL)
    assert len(one.ids("left")) == 10
    one.page.click("#swap")
    one.settled()
    shared = one.page.url
    other = visits()
    other.page.goto(shared)
    other.ready()
    for side in ("left", "right"):
        assert other.ids(side) == one.ids(side)[:5]
        expect(other.page.locator(f"#instruction-{side}")).to_have_value(one.page.input_value(f"#instruction-{side}"))
    expect(other.page.locator(".filter-words")).to_have_text(["number is not 3", "number ≥ 1"])
    expect(other.page.locator("#threshold")).to_have_value("-0.5")
    expect(other.page.locator("#rerank")).to_be_checked()
    expect(other.page.locator("#top-k")).to_have_value("5")


def test_back_and_forward(visit: Any) -> None:
    visit.open()
    visit.search("sort a list")
    first = visit.ids()
    visit.search(QUERY)
    second = visit.ids()
    assert first != second
    visit.page.go_back()
    expect(visit.page.locator("#query")).to_have_value("sort a list")
    expect(visit.page.locator(".hit").first).to_have_attribute("data-id", first[0])
    visit.page.go_forward()
    expect(visit.page.locator(".hit").first).to_have_attribute("data-id", second[0])
    visit.page.go_back()
    visit.page.go_back()
    expect(visit.page.locator("#welcome h1")).to_be_visible()
    expect(visit.page.locator("#results")).to_be_hidden()


def test_an_address_of_nonsense_is_read_as_far_as_it_goes(visit: Any) -> None:
    visit.open(
        {"q": QUERY, "index": "code", "f": ["[", "[1,2,3]", '["eq","kind",null]'], "k": "7", "min": "x", "pages": "-1"}
    )
    assert visit.ids() == [hit["id"] for hit in visit.asked(query=QUERY)]


def test_keys(visit: Any) -> None:
    visit.open(ADDRESS)
    press = visit.page.keyboard.press
    focused = visit.page.locator(".hit:focus")
    press("j")
    expect(focused).to_have_attribute("data-rank", "1")
    press("j")
    press("ArrowDown")
    expect(focused).to_have_attribute("data-rank", "3")
    press("k")
    expect(focused).to_have_attribute("data-rank", "2")
    press("/")
    expect(visit.page.locator("#query")).to_be_focused()
    press("Escape")
    expect(visit.page.locator("#query")).not_to_be_focused()
    press("?")
    expect(visit.page.locator("#help")).to_be_visible()
    press("c")
    press("Escape")
    expect(visit.page.locator("#help")).to_be_hidden()
    expect(visit.page.locator("#compare")).to_have_attribute("aria-pressed", "false")
    press("c")
    expect(visit.page.locator("#compare")).to_have_attribute("aria-pressed", "true")
    expect(visit.page.locator(".line").first).to_be_attached()
    press("i")
    expect(visit.page.locator("#instruction-left")).to_be_focused()
    visit.page.keyboard.type("c?/j")
    expect(visit.page.locator("#instruction-left")).to_have_value("c?/j")


def test_dark_and_light(visits: Callable[..., Any]) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    light, dark = visits(color_scheme="light"), visits(color_scheme="dark")
    light.open()
    dark.open()
    colours = light.page.evaluate(ground), dark.page.evaluate(ground)
    assert colours[0] != colours[1]
    light.page.click("#theme")
    dark.page.click("#theme")
    assert (light.page.evaluate(ground), dark.page.evaluate(ground)) == colours[::-1]
    light.page.reload()
    light.ready()
    assert light.page.evaluate(ground) == colours[1]


def test_behind_a_path_prefix(visit: Any) -> None:
    visit.page.route(
        "**/deep/er/**",
        lambda route: route.fulfill(response=route.fetch(url=route.request.url.replace("/deep/er", ""))),
    )
    visit.page.goto(f"{visit.url}/deep/er/#q=merge&index=code")
    visit.ready()
    assert visit.ids() == [hit["id"] for hit in visit.asked(query="merge")]
    visit.page.click("#copy")
    expect(visit.page.locator("#snippet-text")).to_contain_text(f"{visit.url}/deep/er/v1/search")


def test_a_phone_scrolls_only_down(visits: Callable[..., Any]) -> None:
    visit = visits(viewport={"width": 360, "height": 780}, has_touch=True)
    width = "document.documentElement.scrollWidth"
    for address in ({}, ADDRESS, FULL, {**ADDRESS, "f": '["eq","kind","nothing"]'}, {"q": "a", "index": "hostile"}):
        visit.open(address)
        visit.page.reload()
        visit.ready()
        assert visit.page.evaluate(width) == 360
        if address:
            visit.page.click("#refine-toggle")
            expect(visit.page.locator("#top-k")).to_be_visible()
            assert visit.page.evaluate(width) == 360


# WCAG 2.2, success criterion 1.4.3: the contrast of every text that is seen, against the ground behind it.
_CONTRASTS = """() => {
    const parsed = colour => { const [r, g, b, a = 1] = colour.match(/[\\d.]+/g).map(Number); return [r, g, b, a]; };
    const linear = part => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    const light = ([r, g, b]) => [r, g, b].map(part => linear(part / 255))
        .reduce((sum, c, n) => sum + c * [0.2126, 0.7152, 0.0722][n], 0);
    const ground = element => {
        for (let e = element; e; e = e.parentElement) {
            const colour = parsed(getComputedStyle(e).backgroundColor);
            if (colour[3] === 1) return colour;
        }
        throw new Error('no ground');
    };
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const poor = [];
    while (walker.nextNode()) {
        const element = walker.currentNode.parentElement;
        if (!walker.currentNode.data.trim() || !element.checkVisibility({visibilityProperty: true})) continue;
        const style = getComputedStyle(element);
        const [one, other] = [light(parsed(style.color)), light(ground(element))].sort((a, b) => b - a);
        const ratio = (one + 0.05) / (other + 0.05);
        if (ratio < 4.5) poor.push([element.className, element.textContent.slice(0, 30), ratio]);
    }
    return poor;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_enough_contrast(visits: Callable[..., Any], scheme: str) -> None:
    visit = visits(color_scheme=scheme)
    for address in ({}, FULL, {**ADDRESS, "f": '["eq","kind","code"]'}):
        visit.open(address)
        visit.page.reload()
        visit.ready()
        assert visit.page.evaluate(_CONTRASTS) == []


def test_every_control_has_a_name(visit: Any) -> None:
    visit.open(FULL)
    unnamed = """() => [...document.querySelectorAll('button, input, select, textarea, a, dialog')].filter(e =>
        !(e.getAttribute('aria-label') || e.getAttribute('aria-labelledby') || e.textContent.trim() || e.labels?.length)
    ).map(e => e.outerHTML)"""
    assert visit.page.evaluate(unnamed) == []
    ids = visit.page.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(ids) == len(set(ids))
    named = "[...document.querySelectorAll('[aria-describedby], [aria-labelledby], [aria-controls]')]"
    words = "['describedby', 'labelledby', 'controls']"
    used = visit.page.evaluate(f"{named}.flatMap(e => {words}.map(a => e.getAttribute('aria-' + a)).filter(Boolean))")
    assert set(used) <= set(ids)
