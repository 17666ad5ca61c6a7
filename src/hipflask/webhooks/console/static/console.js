// Keeps an open page fresh: asks for it again and puts what is marked data-live in place.
"use strict";
const button = document.getElementById("live");
const EVERY_MS = 5000;
let isOn = true;

function show(text) {
  button.textContent = text;
  button.setAttribute("aria-pressed", String(isOn));
}

// What somebody reads, marks or fills in stays as it is.
function isBusy() {
  const active = document.activeElement;
  const selected = getSelection();
  return document.hidden || (selected && !selected.isCollapsed)
    || (active && active.matches("[data-live] :is(input, select, textarea, pre)"));
}

function put(old, fresh) {
  const active = document.activeElement;
  const href = old.contains(active) && active.getAttribute("href");
  const open = [...old.querySelectorAll("pre")].map((pre) => pre.scrollTop);
  const notes = [...old.querySelectorAll("input")].map((input) => input.value);
  old.replaceWith(fresh);
  fresh.querySelectorAll("pre").forEach((pre, i) => { pre.scrollTop = open[i] || 0; });
  fresh.querySelectorAll("input:not([type=hidden])").forEach((input) => {
    input.value = notes[[...fresh.querySelectorAll("input")].indexOf(input)] || "";
  });
  if (href) {
    const again = [...fresh.querySelectorAll("a")].find((a) => a.getAttribute("href") === href);
    if (again) again.focus({ preventScroll: true });
  }
}

async function refresh() {
  if (!isOn || isBusy()) return;
  try {
    const answer = await fetch(location.href, { cache: "no-store" });
    if (!answer.ok) throw new Error(String(answer.status));
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (!isOn || isBusy()) return;
    for (const old of document.querySelectorAll("[data-live]")) {
      const fresh = page.getElementById(old.id);
      if (fresh && fresh.innerHTML !== old.innerHTML) put(old, document.adoptNode(fresh));
    }
    show("Live");
  } catch (error) {
    show("Not fresh");
  }
}

if (button && document.querySelector("[data-live]")) {
  button.hidden = false;
  button.addEventListener("click", () => {
    isOn = !isOn;
    show(isOn ? "Live" : "Paused");
    refresh();
  });
  setInterval(refresh, EVERY_MS);
}
