// What the code page gains from a script. Without it, the page works all the same.
const $ = (id) => document.getElementById(id);
const began = performance.now();

// A page from the browser's memory shows a login as it was.
addEventListener("pageshow", ({ persisted }) => persisted && location.reload());

// One request at a time: the answer to the first of two could hold the session.
let sent = false;
document.addEventListener("submit", (event) => {
  if (sent) return event.preventDefault();
  sent = true;
  document.body.classList.add("busy");
});

// The page after the login leads to another host, where this page's policy stops a form. The user is logged in.
document.addEventListener("securitypolicyviolation", ({ effectiveDirective }) => {
  if (effectiveDirective === "form-action") location.reload();
});

function clock(seconds) {
  const two = (number) => String(number).padStart(2, "0");
  const [hours, minutes, rest] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

// Count a time down, and call *over* at its end.
function countDown(place, over) {
  const node = place?.querySelector("[data-left]");
  if (!node) return;
  const timer = setInterval(() => {
    const left = Math.max(0, Math.ceil(node.dataset.left - (performance.now() - began) / 1000));
    node.textContent = clock(left);
    if (left) return;
    clearInterval(timer);
    over();
  }, 500);
}

function allowResend() {
  $("resend").querySelector("button").disabled = false;
  $("resend-in").hidden = true;
}

if ($("resend-in")) {
  $("resend").querySelector("button").disabled = true;
  countDown($("resend-in"), allowResend);
}
// The server then says that the login is over.
countDown($("expires"), () => sent || location.replace(location.href));

for (const time of document.querySelectorAll("time")) {
  const format = new Intl.DateTimeFormat(`${document.documentElement.lang}-u-nu-latn`, { dateStyle: "long", timeZone: "UTC" });
  time.dir = "auto";
  time.textContent = format.format(new Date(time.dateTime));
}

// Ask what became of the message, for as long as nobody knows.
async function followDelivery(asks, tries) {
  while ("waits" in asks.dataset && tries--) {
    await new Promise((done) => setTimeout(done, 2000));
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const now = page.getElementById("asks");
    if (sent || !now) return;
    // After a failure, the other ways are unfolded.
    if (page.getElementById("others")?.open) $("others").open = true;
    if (!("waits" in now.dataset)) delete asks.dataset.waits;
    if (asks.innerHTML !== now.innerHTML) asks.replaceChildren(...now.childNodes);
  }
}
if ($("asks")) followDelivery($("asks"), 20).catch(() => {});

// WebOTP: some browsers offer the code of a text message that names this site.
async function readTextMessage(form) {
  const stop = new AbortController();
  form.addEventListener("submit", () => stop.abort());
  const found = await navigator.credentials.get({ otp: { transport: ["sms"] }, signal: stop.signal });
  if (!found?.code || sent) return;
  $("otp").value = found.code;
  form.requestSubmit(form.querySelector("button"));
}
if ("OTPCredential" in window && "byPhone" in ($("code")?.dataset ?? {})) readTextMessage($("code")).catch(() => {});
