"""A real browser, and what a test may ask of a page in it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Error, Page, expect, sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome")


@contextmanager
def chromium() -> Iterator[Browser]:
    """The system's Chromium, or the one that Playwright brought; a skip where there is neither."""
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        except Error as error:
            pytest.skip(f"no Chromium here ({str(error).splitlines()[0]})")
        yield browser
        browser.close()


@contextmanager
def opened(browser: Browser, url: str, *, refusals: bool = False, **options: Any) -> Iterator[Page]:
    """The page at `url`. Afterwards: nothing was asked of another server, nothing went wrong in the console.

    refusals: the server says no in this test, which Chromium notes in its console.
    """
    asked: list[str] = []
    said: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not (refusals and "Failed to load" in message.text):
            said.append(message.text)

    context = browser.new_context(**{"locale": "en-GB", **options})
    context.set_default_timeout(10_000)
    context.on("request", lambda request: asked.append(request.url))
    context.on("console", note)
    context.on("weberror", lambda error: said.append(str(error.error)))
    page = context.new_page()
    try:
        page.goto(url)
        yield page
        assert said == []
        origin = url.split("?")[0].rstrip("/")
        assert asked and [one for one in asked if not one.startswith((origin, "blob:", "data:"))] == []
    finally:
        context.close()


def answer(page: Page) -> Any:
    """What is to be expected of the heading that holds the answer."""
    return expect(page.locator("#answer"))


def give(page: Page, *pictures: tuple[str, bytes]) -> None:
    """Choose these files as with the file dialog."""
    files: Any = [{"name": name, "mimeType": "image/png", "buffer": content} for name, content in pictures]
    page.locator("#files").set_input_files(files)


def send(page: Page, event: str, files: list[tuple[str, bytes]], text: str = "") -> None:
    """A `drop` or `paste` event as the browser makes it from real files."""
    page.evaluate(
        """([event, files, text]) => {
            const data = new DataTransfer();
            for (const [name, bytes] of files) data.items.add(new File([new Uint8Array(bytes)], name));
            if (text) data.setData("text/uri-list", text);
            const options = { bubbles: true, cancelable: true };
            document.body.dispatchEvent(event === "paste"
                ? new ClipboardEvent(event, { ...options, clipboardData: data })
                : new DragEvent(event, { ...options, dataTransfer: data }));
        }""",
        [event, [[name, list(content)] for name, content in files], text],
    )
