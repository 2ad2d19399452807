// What every form and button of the login page shares: one request at a time, and what to say when it is refused.
import { t } from "./texts.js";

export const $ = (id) => document.getElementById(id);
let busy = false;

// Show one step and hide those beside it.
export function show(id) {
  for (const step of $(id).parentElement.querySelectorAll(":scope > .step")) step.hidden = step.id !== id;
}

export function say(text, { bad = false, into = "message" } = {}) {
  $(into).textContent = text;
  $(into).classList.toggle("bad", bad);
}

// Do *action* on each *event*. *refused* may say more about an error than its sentence.
export function on(node, event, action, { into = "message", refused = () => {} } = {}) {
  node.addEventListener(event, async (happened) => {
    happened.preventDefault();
    // Buttons are not disabled meanwhile: a disabled button loses the keyboard's focus.
    if (busy) return;
    setBusy(true);
    say("", { into });
    try {
      await action();
      $("retry").hidden = true;
    } catch (error) {
      explain(error, node, into);
      refused(error);
    } finally {
      setBusy(false);
    }
  });
}

function setBusy(value) {
  busy = value;
  document.body.classList.toggle("busy", value);
}

function explain(error, node, into) {
  const left = error.attemptsLeft > 0 ? ` ${t("{n} attempts left.", { n: error.attemptsLeft })}` : "";
  say(error.message + left, { bad: true, into });
  $(into).after($("retry"));
  $("retry").hidden = error.code !== "unreachable";
  $("retry").onclick = () => (node instanceof HTMLFormElement ? node.requestSubmit() : node.click());
  const field = node.querySelector("input:last-of-type");
  field?.focus();
  field?.select();
}

// The browser's own words would be in the browser's language, not in the page's.
document.addEventListener("invalid", ({ target }) => target.setCustomValidity(t("Please fill in this field.")), true);
document.addEventListener("input", ({ target }) => target.setCustomValidity?.(""));
