// Finds pages by words. Without this script there is the page of all headings instead.
"use strict";
(() => {
  const form = document.getElementById("site-search");
  const input = document.getElementById("site-words");
  const found = document.getElementById("site-found");
  const root = form.dataset.root + "/";
  const MOST = 20;
  let pages = null;
  let asked = false;

  // The list is a script: a page opened from a disk may load one, and may not fetch.
  window.hipflaskPages = (list) => {
    pages = list.map(([target, page, title, words]) => ({
      target, page, title, words,
      low: [title.toLowerCase(), page.toLowerCase(), words.toLowerCase()],
    }));
    show();
  };

  const load = () => {
    if (asked) return;
    asked = true;
    const script = document.createElement("script");
    script.src = root + "static/pages.js";
    document.head.append(script);
  };

  // Each word must be there; a title counts most, then the page's, then the text.
  const rank = (page, words) => {
    let sum = 0;
    for (const word of words) {
      const at = page.low.findIndex((text) => text.includes(word));
      if (at < 0) return 0;
      sum += [20, 6, 1][at];
      if (page.low[0] === word || page.low[0].endsWith("." + word)) sum += 30;
    }
    return sum + 1 / (1 + page.title.length);
  };

  const excerpt = (page, word) => {
    const at = Math.max(0, page.low[2].indexOf(word) - 40);
    return page.words.slice(at, at + 140);
  };

  const show = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    found.hidden = words.length === 0;
    found.replaceChildren();
    if (!words.length || !pages) return;
    const ranked = pages.map((page) => [rank(page, words), page]).filter(([sum]) => sum > 0);
    ranked.sort((one, other) => other[0] - one[0]);
    const count = document.createElement("p");
    count.textContent = ranked.length === 0 ? "Nothing was found."
      : ranked.length > MOST ? `${MOST} of ${ranked.length} places`
      : ranked.length === 1 ? "1 place" : `${ranked.length} places`;
    const list = document.createElement("ol");
    for (const [, page] of ranked.slice(0, MOST)) {
      const link = document.createElement("a");
      link.href = root + page.target;
      link.textContent = page.title || page.page;
      const text = document.createElement("span");
      text.textContent = (page.page !== page.title ? page.page + ": " : "") + excerpt(page, words[0]);
      const item = document.createElement("li");
      item.append(link, text);
      list.append(item);
    }
    found.append(count, list);
  };

  form.hidden = false;
  input.addEventListener("focus", load);
  input.addEventListener("input", () => { load(); show(); });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const first = found.querySelector("a");
    if (first) first.focus();
  });
})();
