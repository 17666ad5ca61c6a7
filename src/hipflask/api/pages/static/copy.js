// A button beside each command that copies it.
"use strict";
const said = document.getElementById("said");
for (const command of document.querySelectorAll("article pre")) {
  if (!navigator.clipboard) break;
  const box = document.createElement("div");
  box.className = "copyable";
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Copy";
  button.setAttribute("aria-label", "Copy the " + command.getAttribute("aria-label"));
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(command.textContent);
    button.textContent = "Copied";
    said.textContent = "Copied.";
    setTimeout(() => { button.textContent = "Copy"; said.textContent = ""; }, 2000);
  });
  command.replaceWith(box);
  box.append(command, button);
}
