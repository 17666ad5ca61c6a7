"use strict";
const list = document.querySelector(".said");
const log = list.parentElement;
const state = document.querySelector("[data-state]");
const form = document.querySelector("form");
const wrong = document.querySelector("[data-wrong]");
let pause = 500;

function element(name, text) {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}

function show(message, onTop) {
  const item = document.createElement("li");
  const head = document.createElement("p");
  const time = element("time", message.at.slice(11, 16));
  time.dateTime = message.at;
  head.append(element("b", message.name), onTop ? ` in ${message.room} ` : " ", time);
  item.append(head, element("p", message.text));
  onTop ? list.prepend(item) : list.append(item);
  while (list.children.length > 50) (onTop ? list.lastChild : list.firstChild).remove();
  if (!onTop) log.scrollTop = log.scrollHeight;
}

function follow() {
  const feed = new EventSource(list.dataset.feed);
  feed.onopen = () => { state.textContent = "Live."; };
  feed.onerror = () => { state.textContent = "Connecting again …"; };
  feed.onmessage = (event) => show(JSON.parse(event.data), true);
}

function talk() {
  const url = new URL(list.dataset.socket, location.href);
  url.protocol = url.protocol.replace("http", "ws");
  const socket = new WebSocket(url);
  form.onsubmit = (event) => {
    if (socket.readyState !== WebSocket.OPEN) return; // sent as a form
    event.preventDefault();
    wrong.textContent = "";
    socket.send(JSON.stringify({ name: form.elements.name.value, text: form.elements.text.value }));
    form.elements.text.value = "";
    form.elements.text.focus();
  };
  socket.onopen = () => { state.textContent = "Live."; pause = 500; };
  socket.onmessage = (event) => {
    const message = JSON.parse(event.data);
    if (message.refused) wrong.textContent = message.refused;
    else show(message, false);
  };
  socket.onclose = () => {
    state.textContent = "Connecting again …";
    setTimeout(talk, pause + Math.random() * 500);
    pause = Math.min(pause * 2, 15000);
  };
}

if (list.dataset.feed) follow();
if (list.dataset.socket) {
  log.scrollTop = log.scrollHeight;
  talk();
}
