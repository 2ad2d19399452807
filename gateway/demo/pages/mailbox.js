// Show the mails that have arrived, and keep looking for new ones.
import { t } from "./texts.js";

const EVERY_MS = 1000;
const list = document.getElementById("mails");
const message = document.getElementById("message");

function element(name, text = "", attributes = {}) {
  const made = document.createElement(name);
  made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function card(mail) {
  const item = element("li", "", { "data-id": mail.id });
  const both = element("div", "", { class: "both" });
  both.append(element("pre", mail.text, { dir: "auto" }));
  if (mail.html) both.append(frame(mail));
  const to = element("p", "", { class: "hint" });
  to.append(element("bdi", mail.to), " · ", element("bdi", mail.at));
  item.append(element("h2", mail.subject, { dir: "auto" }), to, both);
  return item;
}

// The mail's own page, which has a policy of its own: no script runs in it, and it loads nothing.
function frame(mail) {
  const made = element("iframe", "", { sandbox: "allow-same-origin", src: mail.html, title: t("The mail as HTML") });
  const fit = () => (made.height = made.contentDocument.documentElement.offsetHeight);
  made.addEventListener("load", () => new ResizeObserver(fit).observe(made.contentDocument.documentElement));
  return made;
}

function display(mails) {
  const known = new Set([...list.children].map((item) => item.dataset.id));
  const fresh = mails.filter((mail) => !known.has(String(mail.id)));
  list.prepend(...fresh.map(card));
  while (list.children.length > mails.length) list.lastElementChild.remove();
  document.getElementById("empty").hidden = mails.length > 0;
  if (known.size && fresh.length) say(t("New mail: {subject}", { subject: fresh[0].subject }));
}

function say(text, bad = false) {
  if (message.textContent !== text) message.textContent = text;
  message.classList.toggle("bad", bad);
}

async function look() {
  try {
    const mails = await (await fetch("/mailbox/mails")).json();
    if (message.classList.contains("bad")) say("");
    display(mails);
  } catch {
    say(t("The demo does not answer. This page keeps trying."), true);
  }
  setTimeout(look, EVERY_MS);
}

look();
