// Set up an authenticator app, show its recovery codes, remove it. The token of a fresh login allows it.
import { ask } from "./api.js";
import { $, on, say, show } from "./page.js";
import { t } from "./texts.js";

export const APP = "GOOGLE AUTHENTICATOR";
export const RECOVERY = "RECOVERY CODE";
const into = "app-message";
let token = null;
let isEnrolled = false;
let isProven = false; // whether the token says that this user has the app

export function manage({ token: given, methods, method }) {
  token = given;
  isEnrolled = methods.includes(APP);
  isProven = method === APP || method === RECOVERY;
  tell("");
  show(isEnrolled ? "app-enrolled" : "app-start");
}

// After a log-out nothing secret stays in the page.
export function forget() {
  token = null;
  forgetSecret();
  $("recovery-codes").replaceChildren();
}

const tell = (text) => say(text, { into });
const change = (endpoint, body = {}) => ask(endpoint, { manageToken: token, ...body });
const react = (id, event, action) => on($(id), event, action, { into, refused: goOn });

function goOn(error) {
  const isOver = error.code === "transaction_closed";
  // Another page has set up an app since this one was opened.
  const isMissing = error.code === "not_enrolled" && !$("app-confirm").hidden && !$("present-code").required;
  if (!isOver && !isMissing) return;
  // The API's sentences are about a login, and the user is still logged in.
  tell("");
  if (isOver) return showOver();
  isEnrolled = true;
  askForPresentApp(true);
  $("present-code").focus();
}

function showOver() {
  show("app-over");
  $("app-over").focus();
}

function forgetSecret() {
  $("qr").replaceChildren();
  $("secret").textContent = "";
  $("otpauth").removeAttribute("href");
}

function showCodes(answer) {
  tell(answer.message);
  $("recovery-codes").replaceChildren(...answer.recoveryCodes.map((code) => {
    const item = document.createElement("li");
    item.textContent = code;
    return item;
  }));
  show("app-codes");
  $("copy").focus();
}

const needsPresentApp = () => isEnrolled && !isProven;

async function propose() {
  const answer = await change("totp/enroll");
  tell(answer.message);
  $("qr").innerHTML = answer.qr; // The gateway's own SVG. The page's policy lets no script in it run.
  $("secret").textContent = answer.secret.match(/.{1,4}/g).join(" ");
  $("otpauth").href = answer.otpauth;
  $("app-code-label").textContent = isEnrolled ? t("Code of the new app") : t("Code of the app");
  $("app-code").value = $("present-code").value = "";
  askForPresentApp(needsPresentApp());
  show("app-confirm");
  $("app-code").focus();
}

function askForPresentApp(isNeeded) {
  $("present").hidden = !isNeeded;
  $("present-code").required = isNeeded;
}

react("enroll", "click", propose);
react("replace", "click", propose);

react("app-confirm", "submit", async () => {
  const present = $("present-code").required ? { currentOtp: $("present-code").value } : {};
  const answer = await change("totp/confirm", { otp: $("app-code").value, ...present });
  // It says that this user has the app, so that nothing else has to be proved.
  token = answer.manageToken;
  isEnrolled = isProven = true;
  showCodes(answer);
  forgetSecret();
});

react("renew", "click", async () => {
  if (!needsPresentApp()) return showCodes(await change("recovery-codes"));
  $("renew-code").value = "";
  show("app-renew");
  $("renew-code").focus();
});

react("app-renew", "submit", async () => {
  showCodes(await change("recovery-codes", { currentOtp: $("renew-code").value }));
});

react("copy", "click", async () => {
  await navigator.clipboard.writeText([...$("recovery-codes").children].map((item) => item.textContent).join("\n"));
  tell(t("The codes are copied."));
});

react("print", "click", () => print());

react("kept", "click", () => {
  $("recovery-codes").replaceChildren();
  show("app-enrolled");
  $("renew").focus();
});

react("start-remove", "click", () => {
  $("remove-code").value = "";
  show("app-remove");
  $("remove-code").focus();
});

react("app-remove", "submit", async () => {
  const answer = await change("totp/remove", { otp: $("remove-code").value });
  // The removal has made the token void.
  showOver();
  tell(answer.message);
});

react("stop-confirm", "click", () => {
  forgetSecret();
  if (isEnrolled) back("app-enrolled", "replace");
  else back("app-start", "enroll");
});
react("stop-renew", "click", () => back("app-enrolled", "renew"));
react("stop-remove", "click", () => back("app-enrolled", "start-remove"));

function back(step, button) {
  show(step);
  $(button).focus();
}
