"""`make browser`: pages x schemes x widths, axe findings, forged writes, overflows, journeys.

FAULT=1 plants faults, so that it must fail; GALLERY=1 makes the pictures of the docs.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

from . import forging, journeys
from .chromium import FLAGS, WCAG, axe_options, find_chromium
from .kinds import kinds
from .serving import Served, serving

PICTURES = Path(".cache/browser")
GALLERY = Path("docs/do/pictures")
SCHEMES = ("light", "dark")
WIDTHS = (375, 1280)
MOST_ASSETS = 50 * 1024
MOST_PICTURE = 60 * 1024
#: For the docs: one of each shape, on a phone and on a desk.
SHOWN = {("list", 1280, "light"), ("plan", 1280, "dark"), ("approval", 375, "light")}
SHOWN |= {("home", 1280, "light"), ("filtered", 375, "dark"), ("audit", 1280, "light")}
AXE = axe_options(*WCAG, "best-practice")
# A policy that is broken is told to the console, and to this listener.
LISTEN = """document.addEventListener('securitypolicyviolation',
  event => console.error('CSP ' + event.blockedURI))"""
SPOIL = """() => {
  const wide = document.createElement('div'); wide.className = 'planted';
  wide.innerHTML = '<input><img src="http://other.example/x.png">';
  wide.setAttribute('style', 'width: 200vw'); document.querySelector('main').append(wide);
  wide.style.width = '200vw';
}"""


class Seen:
    """What the browser saw, over all pages."""

    def __init__(self) -> None:
        self.pages = 0
        self.findings: list[str] = []
        self.overflows: list[str] = []
        self.reports: list[str] = []
        self.foreign: list[str] = []
        self.assets: dict[str, int] = {}
        self.failed: list[str] = []

    def listen(self, context: Any, origin: str) -> None:
        """Hear of every request, and of all that a page tells the console."""
        host = urlsplit(origin).netloc

        def request(sent: Any) -> None:
            if sent.url.startswith("http") and urlsplit(sent.url).netloc != host:
                self.foreign.append(sent.url)

        def message(told: Any) -> None:
            if "Content Security Policy" in told.text or told.text.startswith("CSP "):
                self.reports.append(told.text[:200])

        def finished(sent: Any) -> None:
            if sent.resource_type in ("stylesheet", "script", "image", "font"):
                path = urlsplit(sent.url).path.rpartition("/")[2]
                size = int(sent.sizes()["responseBodySize"])
                self.assets[path] = max(self.assets.get(path, 0), size)

        context.on("request", request)
        context.on("console", message)
        context.on("requestfinished", finished)
        context.add_init_script(LISTEN)


def main() -> int:
    """Look at everything; 0 if all figures are as they must be."""
    has_fault = bool(os.environ.get("FAULT"))
    executable = find_chromium()
    if executable is None:
        print("make browser needs Chromium: apt-get install chromium", file=sys.stderr)
        return 2
    PICTURES.mkdir(parents=True, exist_ok=True)
    seen = Seen()
    with serving(has_fault) as served, sync_playwright() as started:
        browser = started.chromium.launch(executable_path=executable, args=FLAGS)
        names = _look(browser, served, seen, has_fault)
        _walk(browser, served, seen)
        paths = (forging.PATH, "/ops/open-door") if has_fault else (forging.PATH,)
        tried = forging.forge(served, paths)
        pages = forging.forge_in_browser(browser, served, forging.PATH)
        browser.close()
    forged = tried.forged + pages.forged
    size = sum(seen.assets.values())
    print(f"pages {len(names)} x schemes {len(SCHEMES)} x widths {len(WIDTHS)} = {seen.pages}")
    lines = [
        ("axe findings", seen.findings),
        ("forged writes", forged),
        ("own writes refused", tried.refused),
        ("overflows", seen.overflows),
        ("CSP reports", seen.reports),
        ("requests to another host", seen.foreign),
        ("pages and journeys failed", seen.failed),
    ]
    for words, found in lines:
        print(f"{words}: {len(found)}")
        for each in found[:20]:
            print(f"  {each}")
    print(f"forged requests tried: {tried.count + pages.count}")
    print(f"assets: {size / 1024:.1f} kB packed, of {MOST_ASSETS // 1024} allowed")
    print(f"pictures: {PICTURES}")
    return 1 if size > MOST_ASSETS or any(found for _, found in lines) else 0


def _look(browser: Any, served: Served, seen: Seen, has_fault: bool) -> list[str]:
    """Every kind of page, in every scheme and width."""
    wanted = os.environ.get("ONLY", "")
    found = [kind for kind in kinds(served) if not wanted or kind.name in wanted.split(",")]
    axe = Axe()
    for scheme in SCHEMES:
        for width in WIDTHS:
            for kind in found:
                with _tab(browser, served, seen, kind.who, scheme, width) as page:
                    where = f"{kind.name} {scheme} {width}"
                    try:
                        page.goto(served.origin + kind.path)
                        if kind.before is not None:
                            kind.before(page)
                    except Exception as error:
                        seen.failed.append(f"{where}: {str(error)[:300]}")
                        continue
                    if has_fault and kind.name == "list":
                        page.evaluate(SPOIL)
                    seen.pages += 1
                    if page.evaluate("document.documentElement.scrollWidth") > width:
                        seen.overflows.append(where)
                    for each in axe.run(page, options=AXE).response["violations"]:
                        nodes = ", ".join(str(node["target"][0]) for node in each["nodes"][:4])
                        seen.findings.append(f"{where}: {each['id']} {nodes}")
                    page.screenshot(path=PICTURES / f"{kind.name}-{width}-{scheme}.png")
                    if os.environ.get("GALLERY") and (kind.name, width, scheme) in SHOWN:
                        _keep(page, f"{kind.name}-{width}-{scheme}.jpg")
    return [kind.name for kind in found]


def _keep(page: Any, name: str) -> None:
    """A picture for the docs, as good as 60 kB allow."""
    GALLERY.mkdir(parents=True, exist_ok=True)
    for quality in (80, 65, 50, 35):
        data = page.screenshot(type="jpeg", quality=quality)
        if len(data) <= MOST_PICTURE:
            (GALLERY / name).write_bytes(data)
            return
    print(f"{name} has {len(data)} bytes, and is left out", file=sys.stderr)


def _walk(browser: Any, served: Served, seen: Seen) -> None:
    """The journeys; one that fails is told, and the others go on."""
    only = os.environ.get("ONLY")
    if only and "journeys" not in only.split(","):
        return

    def one(walk: Any, **options: Any) -> None:
        with _tab(browser, served, seen, "sue", "light", 1280, **options) as page:
            _tell(seen, walk, page, served)

    def two(walk: Any) -> None:
        contexts: list[Any] = []

        def open_page(who: str) -> Any:
            contexts.append(_tab(browser, served, seen, who, "light", 1280))
            return contexts[-1].__enter__()

        _tell(seen, walk, open_page, served)
        for each in contexts:
            each.__exit__(None, None, None)

    one(journeys.by_keyboard)
    one(journeys.without_scripts, java_script_enabled=False)
    two(journeys.watching)
    two(journeys.same_address)


def _tell(seen: Seen, walk: Any, *arguments: Any) -> None:
    try:
        walk(*arguments)
        print(f"journey {walk.__name__}: ok", flush=True)
    except Exception as error:
        seen.failed.append(f"{walk.__name__}: {type(error).__name__}: {str(error)[:600]}")


@contextmanager
def _tab(
    browser: Any, served: Served, seen: Seen, who: str, scheme: str, width: int, **options: Any
) -> Iterator[Any]:
    """A page of somebody who has logged in; of nobody for ""."""
    context = browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme, **options
    )
    if options.get("java_script_enabled", True):
        seen.listen(context, served.origin)
    if who:
        name, _, value = served.cookies[who].partition("=")
        context.add_cookies([{"name": name, "value": value, "url": served.origin}])
    try:
        yield context.new_page()
    finally:
        context.close()


if __name__ == "__main__":
    sys.exit(main())
