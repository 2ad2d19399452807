// The whole frontend: three calls, and what to say when one of them refuses.
const API_KEY = "demo"; // A browser's key is public: it names the client and protects nothing.
const DRUPAL = document.querySelector('meta[name="drupal"]')?.content;
const $ = (id) => document.getElementById(id);

let login = null; // what /headless/authenticate answered
let logoutToken = null;

async function ask(endpoint, body) {
  const response = await fetch(`/headless/${endpoint}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ apiKey: API_KEY, ...body }),
  });
  const answer = await response.json();
  if (answer.status !== "SUCCESS") throw Object.assign(new Error(answer.message), answer);
  return answer;
}

function show(id) {
  for (const part of ["password-form", "code-form", "hello"]) $(part).hidden = part !== id;
}

function say(text, bad = false) {
  $("message").textContent = text;
  $("message").classList.toggle("bad", bad);
}

function on(id, event, action) {
  $(id).addEventListener(event, async (happened) => {
    happened.preventDefault();
    const buttons = [...document.querySelectorAll("button")].filter((button) => !button.disabled);
    buttons.forEach((button) => (button.disabled = true));
    say("");
    try {
      await action();
    } catch (error) {
      const left = error.attemptsLeft > 0 ? ` ${error.attemptsLeft} attempts left.` : "";
      say(error.message + left, true);
      if (error.code === "transaction_closed") startOver(error.message);
    } finally {
      buttons.forEach((button) => (button.disabled = false));
      if (login) waitForResend();
    }
  });
}

const open = () => ({ username: login.username, transactionID: login.transactionID, authType: login.authType });

function waitForResend() {
  const until = login.askedAt + login.resendIn * 1000;
  const tick = () => {
    const left = login ? Math.ceil((until - Date.now()) / 1000) : 0;
    $("resend").disabled = left > 0;
    $("resend").textContent = left > 0 ? `Send it again (${left} s)` : "Send it again";
    if (left > 0) waitForResend.timer = setTimeout(tick, 500);
  };
  clearTimeout(waitForResend.timer);
  tick();
}

function waits(answer) {
  login = { ...answer, askedAt: Date.now() };
  $("destination").textContent = answer.destination;
  show("code-form");
  $("otp").value = "";
  $("otp").focus();
}

function startOver(message = "") {
  login = null;
  $("password").value = "";
  show("password-form");
  say(message, Boolean(message));
}

on("password-form", "submit", async () => {
  waits(await ask("authenticate", { username: $("username").value, password: $("password").value }));
});

on("code-form", "submit", async () => {
  const answer = await ask("login", { ...open(), otp: $("otp").value });
  login = null;
  logoutToken = answer.session.logout_token;
  $("name").textContent = answer.userprofile.name[0].value;
  $("account").href = `${DRUPAL}/user/${answer.userprofile.uid[0].value}`;
  show("hello");
});

on("resend", "click", async () => {
  waits(await ask("resend", open()));
  say("Sent again: it is the same code.");
});

on("cancel", "click", async () => {
  await ask("cancel", { username: login.username, transactionID: login.transactionID });
  startOver();
});

on("logout", "click", async () => {
  await ask("logout", { logout_token: logoutToken });
  startOver();
  say("You are logged out.");
});
