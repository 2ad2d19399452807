// Set up an authenticator app, show its recovery codes, remove it. The token of a fresh login allows it.
import { ask } from "./api.js";
import { $, on, say, show } from "./page.js";
import { t } from "./texts.js";

export const APP = "GOOGLE AUTHENTICATOR";
const into = "app-message";
let token = null;

export function manage({ token: given, isEnrolled }) {
  token = given;
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
const react = (id, event, action) => on($(id), event, action, { into, refused: stopIfOver });

function stopIfOver(error) {
  if (error.code !== "transaction_closed") return;
  // The API's sentence is about a login, and the user is still logged in.
  tell("");
  showOver();
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

react("enroll", "click", async () => {
  const answer = await change("totp/enroll");
  tell(answer.message);
  $("qr").innerHTML = answer.qr; // The gateway's own SVG. The page's policy lets no script in it run.
  $("secret").textContent = answer.secret.match(/.{1,4}/g).join(" ");
  $("otpauth").href = answer.otpauth;
  $("app-code").value = "";
  show("app-confirm");
  $("app-code").focus();
});

react("app-confirm", "submit", async () => {
  const answer = await change("totp/confirm", { otp: $("app-code").value });
  // It says that this user has the app, so that new recovery codes need no other proof.
  token = answer.manageToken;
  showCodes(answer);
  forgetSecret();
});

react("renew", "click", async () => showCodes(await change("recovery-codes")));

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
  back("app-start", "enroll");
});
react("stop-remove", "click", () => back("app-enrolled", "start-remove"));

function back(step, button) {
  show(step);
  $(button).focus();
}
