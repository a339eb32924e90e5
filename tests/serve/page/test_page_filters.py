from __future__ import annotations

import json
from typing import Any

import pytest

sync_api = pytest.importorskip("playwright.sync_api")
expect = sync_api.expect
QUERY = "merge two dictionaries"
CODE = {"type": "eq", "key": "kind", "value": "code"}


def wanted(visit: Any, condition: Any) -> list[str]:
    return [hit["id"] for hit in visit.asked(query=QUERY, filter=condition)]


def opened(visit: Any, *filters: list[Any], **more: Any) -> None:
    visit.open({"q": QUERY, "index": "code", "f": [json.dumps(one) for one in filters], **more})


def test_a_click_on_a_value_narrows_to_it(visit: Any) -> None:
    opened(visit)
    chip = visit.page.locator(".hit .chip", has_text="kind").filter(has_text="code").first
    with visit.page.expect_request("**/v1/search") as sent:
        chip.click()
    visit.settled()
    assert sent.value.post_data_json["filter"] == CODE
    assert visit.ids() == wanted(visit, CODE)
    assert all(name.startswith("code-") for name in visit.ids())
    expect(visit.page.locator(".filter-words")).to_have_text("kind is code")
    visit.page.locator(".filter-words").click()
    expect(visit.page.locator(".filter-words")).to_have_text("kind is not code")
    visit.settled()
    assert visit.ids() == wanted(visit, {**CODE, "type": "ne"})
    visit.page.locator(".filter-remove").click()
    expect(visit.page.locator("#filters")).to_be_hidden()
    visit.settled()
    assert visit.ids() == wanted(visit, None)


def test_values_of_one_key_are_alternatives_and_keys_add_up(visit: Any) -> None:
    opened(visit, ["eq", "kind", "code"], ["eq", "kind", "guide"], ["lte", "number", 9], ["gte", "number", 2])
    visit.settled()
    condition = {
        "type": "and",
        "filters": [
            {"type": "in", "key": "kind", "value": ["code", "guide"]},
            {"type": "lte", "key": "number", "value": 9},
            {"type": "gte", "key": "number", "value": 2},
        ],
    }
    assert sorted(visit.ids()) == sorted(wanted(visit, condition)) == [f"code-{n}" for n in range(2, 10)]
    visit.page.click(".clear-filters")
    visit.settled()
    assert visit.ids() == wanted(visit, None)


def test_facets_count_and_choose(visit: Any) -> None:
    opened(visit)
    values = visit.page.locator(".facet[data-key=kind] .facet-value")
    expect(values).to_have_count(2)
    expect(values.first).to_contain_text("15")
    values.filter(has_text="guide").click()
    visit.settled()
    assert visit.ids() == wanted(visit, {**CODE, "value": "guide"})
    expect(values.filter(has_text="guide")).to_have_attribute("aria-pressed", "true")
    expect(values.filter(has_text="guide")).to_be_focused()
    values.filter(has_text="guide").click()
    visit.settled()
    assert visit.ids() == wanted(visit, None)


def test_a_range_of_numbers(visit: Any) -> None:
    opened(visit)
    with visit.page.expect_request("**/v1/search") as sent:
        visit.page.get_by_label("number from").fill("11")
        visit.page.keyboard.press("Tab")
    visit.settled()
    assert sent.value.post_data_json["filter"] == {"type": "gte", "key": "number", "value": 11}
    assert sorted(visit.ids()) == [f"code-{n}" for n in range(11, 15)]
    visit.page.get_by_label("number from").fill("")
    visit.page.keyboard.press("Tab")
    visit.settled()
    expect(visit.page.locator("#filters")).to_be_hidden()


def test_a_filter_by_hand_has_the_key_s_type(visit: Any) -> None:
    opened(visit)
    expect(visit.page.locator(".facet[data-key=kind] .facet-count").first).to_have_text("15")
    entries: list[tuple[str, str, str, object]] = [
        ("number", "eq", "7", 7),
        ("kind", "ne", "7", "7"),
        ("unknown", "gt", "0.5", 0.5),
        ("unknown", "eq", "true", True),
    ]
    for key, sign, value, typed in entries:
        visit.page.fill("#entry-key", key)
        visit.page.select_option("#entry-type", sign)
        visit.page.fill("#entry-value", value)
        with visit.page.expect_request("**/v1/search") as sent:
            visit.page.press("#entry-value", "Enter")
        condition = sent.value.post_data_json["filter"]
        added = {"type": sign, "key": key, "value": typed}
        assert added == condition or added in condition["filters"]


def test_a_date_has_a_field_of_its_own_and_list_values_chips(visit: Any) -> None:
    visit.open({"q": QUERY, "index": "hostile"})
    field = visit.page.get_by_label("released from")
    expect(field).to_have_attribute("type", "date")
    chips = visit.page.locator('.hit[data-id="plain"] .chip').all_inner_texts()
    assert [text.split() for text in chips] == [
        ["released", "2024-06-01"],
        ["stable", "true"],
        ["tags", "a"],
        ["tags", "b"],
    ]
    visit.page.locator('.hit[data-id="plain"] .chip', has_text="stable").click()
    visit.settled()
    assert visit.ids() == ["plain"]


def test_no_hits_is_told_and_undone(visit: Any) -> None:
    opened(visit, ["eq", "kind", "nothing"], min=0.99)
    expect(visit.page.locator("[data-notice=no-hits]")).to_contain_text("No document fits the filters and the score")
    expect(visit.page.locator("#status")).to_have_text("No hits")
    visit.page.get_by_text("Search without them").click()
    visit.settled()
    assert visit.ids() == wanted(visit, None)


def test_the_least_score(visit: Any) -> None:
    opened(visit)
    hits = visit.asked(query=QUERY)
    bound = round((hits[2]["score"] + hits[3]["score"]) / 2, 6)
    visit.page.fill("#threshold", str(bound))
    visit.page.press("#threshold", "Enter")
    visit.page.keyboard.press("Tab")
    expect(visit.page.locator(".hit")).to_have_count(3)
    expect(visit.page.locator("#result-count")).to_have_text("3 hits")
