"""Opens a kit's list in Chromium: what it loads, what axe finds, how wide and how quick it is."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe

from tests.browser.chromium import WCAG, axe_options

from . import rows
from .catalogue import PATIENCE_S, Served
from .judging import Weight

WIDTHS = (1280, 375)
#: What breaks WCAG 2.2 AA, and not what is only good practice.
AXE = axe_options(*WCAG)
# When the first row is on the screen: its cell is given to Chromium's element timing as soon as it
# stands in the document. Streamlit draws its cells on a canvas; what it writes into it for screen
# readers counts as its row, and the end of the frame with it (a frame's callbacks run before it is
# painted, a message that they send comes after).
WATCH = """([text, patience]) => {
  window.kitsSeen = new Promise((resolve, reject) => {
    setTimeout(() => reject(new Error(`no row ${text} after ${patience} ms`)), patience)
    const after = new MessageChannel()
    after.port1.onmessage = () => resolve(performance.now())
    const painted = new PerformanceObserver(list => resolve(list.getEntries()[0].renderTime))
    painted.observe({ type: 'element', buffered: true })
    const rows = new MutationObserver(() => {
      if (!document.body || !document.body.textContent.includes(text)) return
      rows.disconnect()
      const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
      while (texts.nextNode() && !texts.currentNode.data.includes(text)) continue
      const own = texts.currentNode.parentElement
      if (own.closest('canvas')) return requestAnimationFrame(() => after.port2.postMessage(null))
      for (const each of [own, own.closest('td, th')]) each?.setAttribute('elementtiming', 'row')
    })
    rows.observe(document, { childList: true, subtree: true, characterData: true })
  })
}"""
SCRIPT = f"({WATCH})([{rows.FIRST!r}, {PATIENCE_S * 1000}])"


def _listen(found: Weight, page: Any, origin: str) -> None:
    """Count what a page asks for, by what the browser's network part tells."""
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    host = urlsplit(origin).netloc

    def asked(event: Any) -> None:
        parts = urlsplit(event["request"]["url"] if "request" in event else event["url"])
        if parts.scheme in ("http", "https", "ws", "wss"):
            found.requests += 1
            found.foreign += parts.netloc != host

    def frame(event: Any) -> None:
        # A frame of bytes is told in base64.
        data = event["response"]["payloadData"]
        size = len(data) if event["response"]["opcode"] == 1 else len(data) * 3 // 4
        found.packed += size
        found.whole += size

    def loaded(event: Any) -> None:
        found.packed += int(event["encodedDataLength"])

    def came(event: Any) -> None:
        found.whole += int(event["dataLength"])

    session.on("Network.requestWillBeSent", asked)
    session.on("Network.webSocketCreated", asked)
    session.on("Network.webSocketFrameReceived", frame)
    session.on("Network.loadingFinished", loaded)
    session.on("Network.dataReceived", came)


def weigh(browser: Any, served: Served) -> Weight:
    """A first visit, with nothing kept from before."""
    context = _context(browser, served, WIDTHS[0])
    try:
        page = context.new_page()
        found = Weight()
        _listen(found, page, served.origin)
        _open(page, served)
        return found
    finally:
        context.close()


def judge(browser: Any, served: Served) -> tuple[list[str], int]:
    """Findings of axe at both widths, and by how many pixels the page is wider than a phone."""
    axe = Axe()
    findings = []
    overflow = 0
    for width in WIDTHS:
        context = _context(browser, served, width)
        try:
            page = context.new_page()
            _open(page, served)
            for each in axe.run(page, options=AXE).response["violations"]:
                findings += [f"{each['id']} at {width} px"] * len(each["nodes"])
            if width == min(WIDTHS):
                wide = page.evaluate("document.documentElement.scrollWidth")
                overflow = max(0, wide - width)
        finally:
            context.close()
    return findings, overflow


def time_first_row(browser: Any, served: Served) -> float:
    """Milliseconds from the start of a first visit until the first row is seen."""
    context = _context(browser, served, WIDTHS[0])
    try:
        page = context.new_page()
        page.add_init_script(SCRIPT)
        page.goto(served.origin + served.kit.page, wait_until="commit")
        return float(page.evaluate("window.kitsSeen"))
    finally:
        context.close()


def _context(browser: Any, served: Served, width: int) -> Any:
    context = browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme="light", locale="en-GB"
    )
    context.add_cookies(served.cookies())
    return context


def _open(page: Any, served: Served) -> None:
    """Until the first row stands there and nothing more is loaded."""
    page.add_init_script(SCRIPT)
    page.goto(served.origin + served.kit.page)
    page.evaluate("window.kitsSeen")
    page.wait_for_load_state("networkidle")
