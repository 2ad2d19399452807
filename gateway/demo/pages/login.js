// Log in, in two steps: name and password, then a code.
import { ask } from "./api.js";
import { APP, RECOVERY, forget, manage } from "./authenticator.js";
import { $, on, say, show } from "./page.js";
import { duration, t } from "./texts.js";

const DRUPAL = document.querySelector('meta[name="drupal"]').content;
const SWITCH_TO = { EMAIL: "Send a code by mail", [APP]: "Use the app", [RECOVERY]: "Use a recovery code" };

let login = null; // what /headless/authenticate answered
let logoutToken = null;

const open = () => ({ username: login.username, transactionID: login.transactionID });

function askForCode(answer) {
  login = { ...answer, resendAt: Date.now() + answer.resendIn * 1000 };
  const isSent = Boolean(answer.destination);
  const isRecovery = answer.authType === RECOVERY;
  $("sent").textContent = answer.message;
  $("to-mailbox").hidden = $("resend").hidden = !isSent;
  $("otp-label").textContent = t(isRecovery ? "Recovery code" : "Code");
  $("otp").inputMode = isRecovery ? "text" : "numeric";
  $("otp").classList.toggle("code", !isRecovery);
  $("otp").value = "";
  offerOtherMethods();
  waitForResend();
  show("code-form");
  $("otp").focus();
}

function offerOtherMethods() {
  const others = login.methods.filter((method) => method !== login.authType);
  $("other-methods").replaceChildren(...others.map((method) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "quiet";
    button.textContent = t(SWITCH_TO[method] ?? method);
    on(button, "click", () => resend({ switchTo: method }), { refused: startOverIfClosed });
    return button;
  }));
}

async function resend(more = {}) {
  askForCode(await ask("resend", { ...open(), authType: login.authType, ...more }));
}

function waitForResend() {
  clearTimeout(waitForResend.timer);
  const left = login ? Math.ceil((login.resendAt - Date.now()) / 1000) : 0;
  $("resend").disabled = left > 0;
  $("resend").textContent = left > 0 ? t("Send it again ({time})", { time: duration(left, "short") }) : t("Send it again");
  if (left > 0) waitForResend.timer = setTimeout(waitForResend, 500);
}

function startOver(reason = "") {
  login = null;
  show("password-form");
  say(reason, { bad: Boolean(reason) });
  $("password").focus();
}

function startOverIfClosed(error) {
  if (error.code === "transaction_closed") startOver(error.message);
  if (error.code === "wrong_otp" && error.attemptsLeft === 0) {
    startOver(`${error.message} ${t("That was the last attempt. Please log in again.")}`);
  }
}

on($("password-form"), "submit", async () => {
  const typed = { username: $("username").value, password: $("password").value };
  // Whatever comes of it, the password does not stay in the page.
  $("password").value = "";
  askForCode(await ask("authenticate", typed));
});

on($("code-form"), "submit", async () => {
  const answer = await ask("login", { ...open(), authType: login.authType, otp: $("otp").value });
  logoutToken = answer.session.logout_token;
  $("name").textContent = answer.userprofile.name[0].value;
  $("account").href = `${DRUPAL}/user/${answer.userprofile.uid[0].value}`;
  manage({ token: answer.manageToken, methods: login.methods, method: login.authType });
  login = null;
  show("hello");
  $("greeting").focus();
}, { refused: startOverIfClosed });

on($("resend"), "click", async () => {
  await resend();
  say(t("Sent again. It is the same code."));
}, { refused: startOverIfClosed });

on($("cancel"), "click", async () => {
  await ask("cancel", open());
  startOver();
}, { refused: startOverIfClosed });

on($("logout"), "click", async () => {
  const answer = await ask("logout", { logout_token: logoutToken });
  forget();
  startOver();
  say(answer.message);
});
