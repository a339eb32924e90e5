from __future__ import annotations

from typing import Any

import pytest

sync_api = pytest.importorskip("playwright.sync_api")
expect = sync_api.expect
HOSTILE = '<img src=x onerror="hacked = true"><script>hacked = true</script>'


def unharmed(visit: Any) -> None:
    """No word of a document became an element or ran."""
    assert visit.page.evaluate("typeof hacked") == "undefined"
    assert visit.page.locator("#page img, #page script, #page b, dialog script").count() == 0


def test_documents_are_shown_as_text(visit: Any) -> None:
    visit.open({"q": f"{HOSTILE} merge", "index": "hostile"})
    hit = visit.page.locator(".hit").filter(has_text="onerror")
    expect(hit.locator(".hit-title")).to_have_text(f"{HOSTILE} title")
    expect(hit.locator(".hit-id")).to_have_text(HOSTILE)
    expect(hit.locator(".excerpt")).to_have_text(f"{HOSTILE} merge dictionaries </p>")
    assert hit.locator(".chip-key").first.inner_text() == HOSTILE
    unharmed(visit)
    hit.locator(".chip").first.click()
    visit.settled()
    expect(visit.page.locator(".filter-words")).to_have_text(f"{HOSTILE} is {HOSTILE}")
    assert visit.ids() == [HOSTILE]
    unharmed(visit)


def test_instructions_and_errors_are_shown_as_text(visit: Any) -> None:
    visit.open({"index": "hostile"})
    visit.page.click(".example:has-text('onerror')")
    visit.search(HOSTILE)
    assert HOSTILE in visit.page.locator("#result-note").inner_text()
    visit.page.click("#compare")
    visit.settled()
    visit.page.click("#copy")
    expect(visit.page.locator("#snippet-text")).to_contain_text("onerror")
    unharmed(visit)
    visit.page.keyboard.press("Escape")
    visit.expected.append("status of 500")
    refusal = {"title": HOSTILE, "detail": HOSTILE, "errors": [{"pointer": "#/query", "detail": HOSTILE}]}
    visit.page.route("**/v1/search", lambda route: route.fulfill(status=500, json=refusal))
    visit.page.press("#query", "Enter")
    expect(visit.page.locator(".notice").first).to_contain_text(HOSTILE)
    expect(visit.page.locator("#query-fault")).to_contain_text(HOSTILE)
    unharmed(visit)


def test_the_browser_refuses_what_the_policy_forbids(visit: Any) -> None:
    visit.expected.append("Content Security Policy")
    visit.open()
    visit.page.evaluate("""() => {
        const code = '<img src=x: onerror="hacked = true"><p id=styled style="color: red">x</p>';
        document.body.insertAdjacentHTML('beforeend', code);
        document.body.append(Object.assign(document.createElement('script'), {textContent: 'hacked = true'}));
    }""")
    expect(visit.page.locator("#styled")).not_to_have_css("color", "rgb(255, 0, 0)")
    assert visit.page.evaluate("typeof hacked") == "undefined"
    assert any("Content Security Policy" in complaint for complaint in visit.complaints)
