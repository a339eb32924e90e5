"""A real browser before a real service. Where there is no Chromium, these tests are skipped.

The browser is closed after each module, not at the end of the session: while it runs, Playwright keeps an event loop in
the main thread, and the tests of other folders start their own there.
"""

from __future__ import annotations

import threading
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import uvicorn

from tart import Document, Encoder, Reranker
from tart_index import BuildOptions, IndexFolder, Searcher
from tart_serve import create_app
from tart_serve.listening import Address, base_url, listen

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
HOSTILE = '<img src=x onerror="hacked = true"><script>hacked = true</script>'


@pytest.fixture(scope="session")
def hostile(build: Callable[..., Path], encoder: Encoder) -> Searcher:
    """An index whose every word would be code if a page were careless."""
    documents = [
        Document(
            HOSTILE, f"{HOSTILE} merge dictionaries </p>", f"{HOSTILE} title", {HOSTILE: HOSTILE, "list": [HOSTILE]}
        ),
        Document("plain", "merge two dictionaries", "", {"released": "2024-06-01", "stable": True, "tags": ["a", "b"]}),
    ]
    folder = build("hostile", documents, BuildOptions(prompts={HOSTILE: HOSTILE}))
    return Searcher(IndexFolder.open(folder), encoder)


@pytest.fixture(scope="module")
def service(searcher: Searcher, notes: Searcher, hostile: Searcher, reranker: Reranker) -> Iterator[str]:
    """The address of a service over three indexes, as a browser reaches it."""
    app = create_app({"code": searcher, "notes": notes, "hostile": hostile}, reranker=reranker)
    with listen(Address.resolve("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="on", ws="none"))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        url = base_url(listener)
        with urllib.request.urlopen(f"{url}/healthz", timeout=60):
            yield url
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if not CHROMIUM.exists():
        pytest.skip(f"there is no {CHROMIUM}; with Debian: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@dataclass
class Visit:
    """One reader's visit of the page.

    Attributes:
        page: Playwright's.
        url: Of the service.
        expected: Parts of those console messages that the test itself brings about.
        complaints: All that the browser complained of.
    """

    page: Any
    url: str
    expected: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def open(self, parameters: Mapping[str, Any] | None = None) -> None:
        """Goes to the page, with what stands after `#`, and waits for what it shows."""
        address = "#" + urlencode(parameters, doseq=True) if parameters else ""
        self.page.goto(f"{self.url}/{address}")
        self.ready()

    def ready(self) -> None:
        """Waits until the page knows what is served and shows what its address says."""
        sync_api.expect(self.page.locator("#page[aria-busy=false]")).to_be_attached()

    def search(self, query: str) -> None:
        """Types a query and waits for its hits."""
        self.page.fill("#query", query)
        with self.page.expect_response("**/v1/search"):
            self.page.press("#query", "Enter")
        self.settled()

    def settled(self) -> None:
        """Waits until every reply that was asked for is shown."""
        sync_api.expect(self.page.locator("#results[aria-busy=false]")).to_be_attached()

    def ids(self, side: str = "left") -> list[str]:
        """The hits as they stand on the page."""
        found: list[str] = self.page.locator(f".column-{side} .hit").evaluate_all(
            "cards => cards.map(c => c.dataset.id)"
        )
        return found

    def asked(self, **body: Any) -> list[dict[str, Any]]:
        """The hits that the service gives without the page."""
        reply = self.page.request.post(f"{self.url}/v1/search", data={"index": "code", **body})
        assert reply.ok, reply.text()
        hits: list[dict[str, Any]] = reply.json()["data"]
        return hits

    def unexpected(self) -> list[str]:
        """Complaints that no test brought about."""
        return [one for one in self.complaints if not any(part in one for part in self.expected)]


@pytest.fixture
def visits(browser: Any, service: str) -> Iterator[Callable[..., Visit]]:
    """Makes visits, each with storage of its own; at the end none may have had a complaint."""
    contexts, made = [], []

    def visit(**options: Any) -> Visit:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        context.set_default_timeout(20_000)
        contexts.append(context)
        made.append(Visit(context.new_page(), service))
        note = made[-1].complaints.append
        made[-1].page.on(
            "console",
            lambda message: (
                message.type in ("error", "warning") and note(f"{message.text} ({message.location['url']})")
            ),
        )
        made[-1].page.on("pageerror", lambda error: note(str(error)))
        return made[-1]

    yield visit
    complaints = [complaint for one in made for complaint in one.unexpected()]
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def visit(visits: Callable[..., Visit]) -> Visit:
    """A visit with a screen of usual size."""
    return visits()
