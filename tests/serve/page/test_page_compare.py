from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

sync_api = pytest.importorskip("playwright.sync_api")
expect = sync_api.expect
QUERY = "merge two dictionaries"
OTHER = "Find the guide that explains this in detail"
COMPARED = {"q": QUERY, "i.name": "function", "compare": 1, "i2": OTHER, "index": "code"}


def ranks(hits: list[dict[str, Any]]) -> dict[str, int]:
    return {hit["id"]: hit["rank"] for hit in hits}


def test_each_common_hit_has_a_line_and_a_delta(visit: Any) -> None:
    visit.open(COMPARED)
    visit.settled()
    left = ranks(visit.asked(query=QUERY, prompt_name="function"))
    right = ranks(visit.asked(query=QUERY, instruction=OTHER))
    assert (visit.ids("left"), visit.ids("right")) == (list(left), list(right))
    common = [name for name in left if name in right]
    assert 0 < len(common) < 10
    lines = visit.page.locator(".lines .line")
    assert lines.evaluate_all("all => all.map(line => line.dataset.id)") == common
    for side in ("left", "right"):
        found = visit.page.locator(f".column-{side} .badge[data-delta]").evaluate_all(
            "all => all.map(badge => [badge.closest('.hit').dataset.id, Number(badge.dataset.delta)])"
        )
        assert dict(found) == {name: left[name] - right[name] for name in common}
    only = visit.page.locator(".badge.only").evaluate_all("all => all.map(badge => badge.closest('.hit').dataset.id)")
    assert only == [name for name in left if name not in right] + [name for name in right if name not in left]
    kinds = lines.evaluate_all("all => all.map(line => line.classList[1])")
    signs = {1: "up", 0: "same", -1: "down"}
    assert kinds == [signs[(left[one] > right[one]) - (left[one] < right[one])] for one in common]
    moved = sum(left[name] != right[name] for name in common)
    expect(visit.page.locator("#result-count")).to_have_text(
        f"{len(common)} of 10 hits in common, {moved} of these moved."
    )


def test_lines_end_at_their_cards_also_after_a_resize(visit: Any) -> None:
    visit.open(COMPARED)
    visit.settled()
    ends = """() => [...document.querySelectorAll('.line')].map(line => {
        const card = document.querySelector(`.column-left [data-id="${line.dataset.id}"]`);
        return Math.abs(card.getBoundingClientRect().right - line.getBoundingClientRect().left);
    })"""
    wide = visit.page.locator(".line").first.get_attribute("d")
    assert max(visit.page.evaluate(ends)) < 2
    visit.page.set_viewport_size({"width": 1000, "height": 900})
    expect(visit.page.locator(".line").first).not_to_have_attribute("d", wide)
    assert max(visit.page.evaluate(ends)) < 2
    narrow = visit.page.locator(".line").first.get_attribute("d")
    visit.page.locator(".column-left .hit").first.locator(".unfold").click()
    last = visit.page.locator(".line").last
    assert last.get_attribute("d") != narrow


def test_a_hit_shows_its_line_and_leads_to_its_other_place(visit: Any) -> None:
    visit.open(COMPARED)
    visit.settled()
    badge = visit.page.locator(".column-left .badge[data-delta]").first
    name = badge.evaluate("badge => badge.closest('.hit').dataset.id")
    badge.click()
    expect(visit.page.locator(f'.column-right .hit[data-id="{name}"]')).to_be_focused()
    assert visit.page.locator(".line.picked").evaluate_all("all => all.map(line => line.dataset.id)") == [name]
    visit.page.keyboard.press("h")
    expect(visit.page.locator(f'.column-left .hit[data-id="{name}"]')).to_be_focused()


def test_compare_is_turned_on_swapped_and_turned_off(visit: Any) -> None:
    visit.open({"q": QUERY, "i.name": "function", "index": "code"})
    visit.settled()
    visit.page.click("#compare")
    visit.settled()
    expect(visit.page.locator("#box-right")).to_be_visible()
    bare = [hit["id"] for hit in visit.asked(query=QUERY, instruction="")]
    named = [hit["id"] for hit in visit.asked(query=QUERY, prompt_name="function")]
    assert (visit.ids("left"), visit.ids("right")) == (named, bare)
    visit.page.click("#swap")
    expect(visit.page.locator(".column-left .hit").first).to_have_attribute("data-id", bare[0])
    visit.settled()
    assert (visit.ids("left"), visit.ids("right")) == (bare, named)
    visit.page.click("#compare")
    visit.settled()
    expect(visit.page.locator(".column-right")).to_be_hidden()
    assert visit.page.locator(".badge, .line").count() == 0


def test_two_sides_that_would_ask_the_same_begin_with_a_stored_instruction(visit: Any) -> None:
    visit.open({"q": QUERY, "index": "code", "i": ""})
    visit.settled()
    visit.page.locator("#results").focus()
    visit.page.keyboard.press("c")
    expect(visit.page.locator("#box-right")).to_be_visible()
    visit.settled()
    bare = [hit["id"] for hit in visit.asked(query=QUERY, instruction="")]
    named = [hit["id"] for hit in visit.asked(query=QUERY, prompt_name="function")]
    assert bare != named
    assert (visit.ids("left"), visit.ids("right")) == (bare, named)


def test_one_side_may_fail_alone(visit: Any) -> None:
    visit.expected.append("422")
    visit.open({"q": QUERY, "compare": 1, "i2": "word " * 300, "index": "code"})
    visit.settled()
    expect(visit.page.locator(".column-right .notice")).to_be_visible()
    assert visit.ids("left") == [hit["id"] for hit in visit.asked(query=QUERY)]
    assert visit.page.locator(".badge, .line").count() == 0


def test_on_a_phone_the_columns_stand_one_below_the_other(visits: Callable[..., Any]) -> None:
    visit = visits(viewport={"width": 360, "height": 780})
    visit.open(COMPARED)
    visit.settled()
    left, right = (visit.page.locator(f".column-{side}").bounding_box() for side in ("left", "right"))
    assert right["y"] >= left["y"] + left["height"]
    assert visit.page.locator(".lines").is_hidden()
    assert visit.page.locator(".badge").count() == 20
    expect(visit.page.locator(".column-right .badge").first).to_be_visible()
