// Shows what has arrived, and keeps looking.
const list = document.getElementById("mails");
let shown = 0;

function card(mail) {
  const item = document.createElement("li");
  const subject = document.createElement("h2");
  subject.textContent = mail.subject;
  const to = document.createElement("div");
  to.className = "hint";
  to.textContent = `${mail.to} · ${mail.at}`;
  const text = document.createElement("pre");
  text.textContent = mail.text;
  item.append(subject, to, text);
  return item;
}

async function look() {
  const mails = await (await fetch("/mailbox/mails")).json();
  document.getElementById("empty").hidden = mails.length > 0;
  if (mails.length !== shown) list.replaceChildren(...mails.map(card));
  shown = mails.length;
  setTimeout(look, 1000);
}

look();
