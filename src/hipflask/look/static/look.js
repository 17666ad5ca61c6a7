// Keeps what is marked data-live fresh; ticks all rows at once. Pages work without it.
"use strict";
const button = document.getElementById("live");
const all = (wanted, within = document) => [...within.querySelectorAll(wanted)];
const FIELDS = "input:not([type=hidden]), select, textarea";
const SLOWEST_MS = 5000;
let isOn = true, wait = 0;

function show(text) {
  if (!button) return;
  button.textContent = text;
  button.setAttribute("aria-pressed", String(isOn));
}

// What somebody fills in stays as it is.
function isBusy() {
  return !isOn || document.hidden || !getSelection().isCollapsed
    || document.activeElement?.matches("[data-live] :is(input, select, textarea, pre)");
}

function put(old, fresh) {
  const was = old.contains(document.activeElement) && document.activeElement;
  const open = all("pre", old).map((pre) => pre.scrollTop);
  const notes = all(FIELDS, old).map((one) => one.value);
  old.replaceWith(fresh);
  all("pre", fresh).forEach((pre, i) => { pre.scrollTop = open[i] || 0; });
  const fields = all(FIELDS, fresh);
  if (fields.length === notes.length) fields.forEach((one, i) => { one.value = notes[i]; });
  const again = was && all("a, button", fresh).find((one) =>
    one.href ? one.href === was.href : one.outerHTML === was.outerHTML);
  again && again.focus({ preventScroll: true });
}

// data-live="1000": after a second, then ever more rarely; else every five.
function next() {
  const [first] = all("[data-live]");
  if (!first) return show("Settled");
  wait = Math.min(SLOWEST_MS, wait ? wait * 1.25 : Number(first.dataset.live) || SLOWEST_MS);
  setTimeout(refresh, wait);
}

async function refresh() {
  try {
    if (isBusy()) return;
    const answer = await fetch(location.href, { cache: "no-store" });
    if (!answer.ok) throw new Error(String(answer.status));
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (isBusy()) return;
    for (const old of all("[data-live], [data-say]")) {
      const fresh = page.getElementById(old.id);
      if (!fresh || fresh.outerHTML === old.outerHTML) continue;
      // What is read aloud stays the same element.
      if (old.matches("[data-say]")) old.textContent = fresh.textContent;
      else put(old, document.adoptNode(fresh));
    }
    show("Live");
  } catch (error) {
    show("Not fresh");
  } finally {
    next();
  }
}

if (all("[data-live]").length) {
  if (button) {
    button.hidden = false;
    button.onclick = () => { isOn = !isOn; show(isOn ? "Live" : "Paused"); };
  }
  next();
}

for (const box of all("[data-all]")) {
  const ones = [...document.getElementsByName(box.dataset.all)];
  const count = () => {
    const ticked = ones.filter((one) => one.checked).length;
    box.checked = ticked > 0 && ticked === ones.length;
    box.indeterminate = ticked > 0 && !box.checked;
  };
  box.closest("[hidden]").hidden = false;
  box.onchange = () => { ones.forEach((one) => { one.checked = box.checked; }); count(); };
  ones.forEach((one) => { one.onchange = count; });
  count();
}
