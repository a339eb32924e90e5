from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from tart.instructions import Instruction

sync_api = pytest.importorskip("playwright.sync_api")
expect = sync_api.expect
QUERY = "merge two dictionaries"
FUNCTION = "Find the Python function that does this"


def test_hits_stand_in_the_service_s_order(visit: Any) -> None:
    visit.open()
    visit.search(QUERY)
    hits = visit.asked(query=QUERY)
    assert visit.ids() == [hit["id"] for hit in hits]
    scores = visit.page.locator(".score-value").all_inner_texts()
    assert scores == [f"{hit['score']:.3f}" for hit in hits]
    assert visit.page.locator(".hit-rank").all_inner_texts() == [str(hit["rank"]) for hit in hits]
    expect(visit.page.locator("#result-count")).to_have_text("The best 10 hits")
    expect(visit.page.locator("#status")).to_have_text(f"10 hits for {QUERY}")
    first = visit.page.locator(".hit").first
    assert first.locator("mark").all_inner_texts()[0] in QUERY
    assert visit.page.title() == f"{QUERY} · tart"


def test_an_instruction_changes_the_hits(visit: Any) -> None:
    visit.open()
    visit.search(QUERY)
    bare = visit.ids()
    with visit.page.expect_request("**/v1/search") as named:
        visit.page.click("#box-left .choice:text-is('function')")
    visit.settled()
    assert named.value.post_data_json["prompt_name"] == "function"
    expect(visit.page.locator("#instruction-left")).to_have_value(FUNCTION)
    assert visit.ids() == [hit["id"] for hit in visit.asked(query=QUERY, prompt_name="function")]
    with visit.page.expect_request("**/v1/search") as own:
        visit.page.fill("#instruction-left", "Find the guide that explains this")
        visit.page.press("#instruction-left", "Enter")
    visit.settled()
    assert own.value.post_data_json["instruction"] == "Find the guide that explains this"
    guided = visit.ids()
    assert guided == [hit["id"] for hit in visit.asked(query=QUERY, instruction="Find the guide that explains this")]
    assert guided != bare


def test_the_index_s_default_instruction_is_told_from_none(visit: Any) -> None:
    visit.open({"q": "merge", "index": "notes"})
    visit.settled()
    expect(visit.page.locator("#box-left .choice[aria-pressed=true]")).to_have_text("Default")
    assert "Find the page that explains this" in visit.page.locator("#result-note").inner_text()
    with visit.page.expect_request("**/v1/search") as none:
        visit.page.click("#box-left .choice:text-is('No instruction')")
    visit.settled()
    assert none.value.post_data_json == {"query": "merge", "instruction": "", "index": "notes", "top_k": 10}
    assert "no instruction" in visit.page.locator("#result-note").inner_text()


def test_the_composer_words_as_the_library_does(visit: Any) -> None:
    visit.open({"q": "merge"})
    visit.page.click("#box-left .compose")
    expect(visit.page.locator("#composer-use")).to_be_disabled()
    visit.page.fill("#composer-intent", "answers this question")
    visit.page.fill("#composer-unit", "entry")
    visit.page.fill("#composer-domain", "encyclopedia")
    wanted = Instruction.compose("answers this question", "encyclopedia", "entry").text
    expect(visit.page.locator("#composer-preview")).to_have_text(wanted)
    visit.page.fill("#composer-domain", "")
    visit.page.click("#composer-unit-chips .choice >> nth=1")
    unit = visit.page.input_value("#composer-unit")
    with visit.page.expect_request("**/v1/search") as sent:
        visit.page.click("#composer-use")
    assert sent.value.post_data_json["instruction"] == Instruction.compose("answers this question", unit=unit).text


def test_another_index_is_another_search(visit: Any) -> None:
    visit.open({"q": "merge", "i.name": "function", "index": "code", "f": '["eq","kind","code"]'})
    visit.settled()
    visit.page.select_option("#index", "notes")
    visit.settled()
    assert sorted(visit.ids()) == [f"guide-{n}" for n in range(5)]
    expect(visit.page.locator(".filter")).to_have_count(0)
    expect(visit.page.locator("#box-left .choice[aria-pressed=true]")).to_have_text("Default")


def test_more_hits_follow(visit: Any) -> None:
    visit.open({"q": QUERY, "k": 5, "index": "code"})
    visit.settled()
    with visit.page.expect_request("**/v1/search") as second:
        visit.page.click("#more")
    visit.settled()
    assert second.value.post_data_json["offset"] == 5
    wanted = [hit["id"] for hit in visit.asked(query=QUERY)]
    assert visit.ids() == wanted
    assert visit.page.locator(".hit:focus").get_attribute("data-rank") == "6"
    visit.page.reload()
    visit.settled()
    expect(visit.page.locator(".hit")).to_have_count(10)
    assert visit.ids() == wanted


def test_the_reranker_orders_anew(visit: Any) -> None:
    visit.open({"q": QUERY, "index": "code"})
    visit.settled()
    assert visit.page.locator(".stage-rerank").count() == 0
    with visit.page.expect_request("**/v1/search") as sent:
        visit.page.check("#rerank")
    visit.settled()
    assert sent.value.post_data_json["rerank"] == {"top_n": 50}
    assert visit.ids() == [hit["id"] for hit in visit.asked(query=QUERY, rerank={"top_n": 50})]
    expect(visit.page.locator(".timing-bar .stage-rerank")).to_have_count(1)


def test_the_timing_strip_shows_what_the_service_told(visit: Any) -> None:
    visit.open()
    visit.page.fill("#query", QUERY)
    with visit.page.expect_response("**/v1/search") as reply:
        visit.page.press("#query", "Enter")
    visit.settled()
    told = reply.value.json()["timing_ms"]
    grown = visit.page.locator(".timing-bar span").evaluate_all("all => all.map(s => [s.className, s.style.flexGrow])")
    shown = {name.removeprefix("stage-"): float(width) for name, width in grown}
    network = shown.pop("network")
    assert shown == pytest.approx({name: told[name] for name in ("queue", "encode", "search", "fetch")}, rel=1e-3)
    assert network > 0


def test_the_request_can_be_taken_elsewhere(visit: Any) -> None:
    filters = ['["ne","number",3]', '["eq","kind","code"]']
    query = 'it\'s "merge" \\ \u00f6 \U0001f600'
    visit.open({"q": query, "i.name": "function", "k": 5, "min": -0.5, "f": filters, "index": "code"})
    visit.settled()
    visit.page.click("#copy")
    curl = visit.page.inner_text("#snippet-text")
    visit.page.check("#snippet-form [value=python]", force=True)
    python = visit.page.inner_text("#snippet-text")
    done = subprocess.run([sys.executable, "-c", python], capture_output=True, text=True, check=True)
    assert [line.split()[-1] for line in done.stdout.splitlines()] == visit.ids()
    if shutil.which("curl"):
        done = subprocess.run(["sh", "-c", curl], capture_output=True, text=True, check=True)
        assert [f'"id":"{one}"' in done.stdout for one in visit.ids()] == [True] * 5


def test_the_start_page_teaches(visit: Any) -> None:
    visit.open()
    expect(visit.page.locator("#welcome h1")).to_be_visible()
    expect(visit.page.locator("#query")).to_be_focused()
    visit.page.click(f".example:has-text('{FUNCTION}')")
    expect(visit.page.locator("#query")).to_be_focused()
    visit.page.keyboard.type(QUERY)
    visit.page.keyboard.press("Enter")
    visit.settled()
    assert visit.ids() == [hit["id"] for hit in visit.asked(query=QUERY, prompt_name="function")]
    expect(visit.page.locator("#welcome")).to_be_hidden()


def test_long_texts_are_cut_until_asked_for(visits: Callable[..., Any]) -> None:
    visit = visits()

    def lengthen(route: Any) -> None:
        reply = route.fetch()
        body = reply.json()
        body["data"][0]["metadata"] = {"kind": "code"}
        body["data"][0]["text"] = "def long():\n" + "    return 1  # merge\n" * 40
        route.fulfill(response=reply, json=body)

    visit.page.route("**/v1/search", lengthen)
    visit.open({"q": QUERY, "index": "code"})
    visit.settled()
    first = visit.page.locator(".hit").first
    assert first.locator("pre .token-keyword").first.inner_text() == "def"
    low = first.bounding_box()["height"]
    first.locator(".unfold").click()
    assert first.bounding_box()["height"] > 2 * low
    expect(first.locator(".unfold")).to_have_text("Show less")
    assert visit.page.locator(".hit").nth(1).locator(".unfold").is_hidden()
