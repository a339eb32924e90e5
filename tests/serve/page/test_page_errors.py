from __future__ import annotations

from typing import Any

import pytest

sync_api = pytest.importorskip("playwright.sync_api")
expect = sync_api.expect
QUERY = "merge two dictionaries"
ADDRESS = {"q": QUERY, "index": "code"}


def problem(status: int, title: str, detail: str, **more: Any) -> dict[str, Any]:
    return {"type": "about:blank", "title": title, "status": status, "detail": detail, "instance": "/v1/search", **more}


def answered_with(visit: Any, status: int, headers: dict[str, str], **body: Any) -> None:
    """Makes the service refuse every search from now on."""
    visit.expected.append(f"status of {status}")
    visit.page.route(
        "**/v1/search",
        lambda route: route.fulfill(status=status, headers=headers, json=problem(status, "Title", **body)),
    )


FIELDS = {
    "#/query": "query",
    "#/prompt_name": "instruction-left",
    "#/top_k": "top-k",
    "#/score_threshold": "threshold",
    "#/filter/filters/0/key": "filters",
    "#/rerank/top_n": "rerank",
}


def test_the_field_to_blame_is_marked(visit: Any) -> None:
    visit.open({**ADDRESS, "f": '["eq","kind","code"]'})
    for pointer, field in FIELDS.items():
        fault = {"pointer": pointer, "detail": f"{pointer} should be something else"}
        answered_with(visit, 422, {}, detail="a field is wrong", errors=[fault])
        visit.page.press("#query", "Enter")
        expect(visit.page.locator(f"#{field}")).to_have_attribute("aria-invalid", "true")
        expect(visit.page.locator(f"#{field}-fault")).to_have_text(fault["detail"])
        expect(visit.page.locator("[data-notice=error-422]")).to_contain_text("a field is wrong")
        expect(visit.page.locator("[aria-invalid]")).to_have_count(1)
        visit.page.unroute("**/v1/search")
    visit.page.press("#query", "Enter")
    expect(visit.page.locator(".hit").first).to_be_visible()
    assert visit.page.locator("[aria-invalid]").count() == 0


def test_a_refusal_of_the_real_service_is_shown_in_its_words(visit: Any) -> None:
    visit.expected.append("status of 422")
    visit.open({"q": "word " * 400, "index": "code"})
    reply = visit.page.request.post(f"{visit.url}/v1/search", data={"query": "word " * 400, "index": "code"})
    expect(visit.page.locator("[data-notice=error-422]")).to_contain_text(reply.json()["detail"])


def test_a_busy_service_is_asked_again_when_it_said(visit: Any) -> None:
    answered_with(visit, 429, {"Retry-After": "7"}, detail="the queue is full")
    visit.page.clock.install()
    visit.open(ADDRESS)
    notice = visit.page.locator("[data-notice=error-429]")
    expect(notice).to_contain_text("Tries again by itself in 7 s.")
    visit.page.clock.run_for(4_000)
    expect(notice).to_contain_text("Tries again by itself in 3 s.")
    visit.page.unroute("**/v1/search")
    assert visit.page.locator(".hit").count() == 0
    with visit.page.expect_request("**/v1/search"):
        visit.page.clock.run_for(4_000)
    expect(visit.page.locator(".hit")).to_have_count(10)
    expect(notice).to_have_count(0)


def test_a_service_that_is_not_ready_can_be_asked_again(visit: Any) -> None:
    answered_with(visit, 503, {"X-Request-ID": "abc123"}, detail="index 'code' is damaged")
    visit.open(ADDRESS)
    notice = visit.page.locator("[data-notice=error-503]")
    expect(notice).to_contain_text("index 'code' is damaged")
    expect(notice).to_contain_text("Request abc123")
    visit.page.unroute("**/v1/search")
    notice.get_by_text("Try again").click()
    expect(visit.page.locator(".hit")).to_have_count(10)


def test_an_unreachable_service(visit: Any) -> None:
    visit.open(ADDRESS)
    visit.expected.append("ERR_INTERNET_DISCONNECTED")
    visit.page.context.set_offline(True)
    visit.page.press("#query", "Enter")
    expect(visit.page.locator("[data-notice=error-0]")).to_contain_text("cannot be reached")
    visit.page.context.set_offline(False)
    visit.page.get_by_text("Try again").click()
    expect(visit.page.locator(".hit")).to_have_count(10)


def test_a_key_is_asked_for_kept_for_the_tab_and_sent(visit: Any) -> None:
    visit.expected.append("status of 401")

    def guarded(route: Any) -> None:
        if route.request.headers.get("authorization") == "Bearer right":
            route.continue_()
        else:
            route.fulfill(status=401, json=problem(401, "Unauthorized", "this service needs a key"))

    visit.page.route("**/v1/**", guarded)
    visit.open(ADDRESS)
    dialog = visit.page.locator("#key-dialog")
    expect(dialog).to_be_visible()
    expect(visit.page.locator("#key-refused")).to_be_hidden()
    visit.page.fill("#key", "wrong")
    visit.page.press("#key", "Enter")
    expect(visit.page.locator("#key-refused")).to_be_visible()
    visit.page.fill("#key", "right")
    visit.page.press("#key", "Enter")
    expect(dialog).to_be_hidden()
    expect(visit.page.locator(".hit")).to_have_count(10)
    assert visit.page.evaluate("[sessionStorage.getItem('tart.key'), JSON.stringify(localStorage)]") == ["right", "{}"]
    visit.page.click("#copy")
    expect(visit.page.locator("#snippet-text")).to_contain_text("Bearer $TART_API_KEY")
    expect(visit.page.locator("#snippet-text")).not_to_contain_text("right")


def test_a_late_reply_is_never_shown(visit: Any) -> None:
    visit.open()
    held: list[Any] = []

    def hold(route: Any) -> None:
        if route.request.post_data_json["query"] == "slow":
            held.append(route)
        else:
            route.continue_()

    visit.page.route("**/v1/search", hold)
    visit.page.fill("#query", "slow")
    with visit.page.expect_request("**/v1/search"):
        visit.page.press("#query", "Enter")
    with visit.page.expect_event("requestfailed") as given_up:
        visit.search(QUERY)
    assert given_up.value.post_data_json["query"] == "slow"
    shown = visit.ids()
    assert shown == [hit["id"] for hit in visit.asked(query=QUERY)]
    late = {"data": [{"rank": 1, "id": "late", "score": 1}], "has_more": False}
    held[0].fulfill(json=late)
    visit.page.evaluate("() => new Promise(done => setTimeout(done))")
    assert visit.ids() == shown
