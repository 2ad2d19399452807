// The page's language: that of ?lang=, or the first of the browser's languages that the demo knows.
// An English text is its own key, as in gettext; en.json has only those that depend on a number.
const KNOWN = ["en", "de", "ar"];
const chosen = new URLSearchParams(location.search).get("lang");
const wanted = [chosen, ...navigator.languages].map((tag) => tag?.toLowerCase().split("-")[0]);
export const language = wanted.find((tag) => KNOWN.includes(tag)) ?? "en";

const texts = await (await fetch(`/demo/${language}.json`)).json();
const plurals = new Intl.PluralRules(language);
// The mails have these digits, too, in every language.
const locale = `${language}-u-nu-latn`;

export function t(text, values = {}) {
  const found = texts[text] ?? text;
  const form = typeof found === "string" ? found : (found[plurals.select(values.n)] ?? found.other);
  return form.replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

const UNITS = [["hour", 3600], ["minute", 60], ["second", 1]];

// "4 minutes, 32 seconds": never less than *seconds*, and at most two units.
export function duration(seconds, unitDisplay = "long") {
  let left = seconds < 3600 ? Math.ceil(seconds) : Math.ceil(seconds / 60) * 60;
  const parts = [];
  for (const [unit, size] of UNITS) {
    const whole = Math.floor(left / size);
    left -= whole * size;
    if (whole) parts.push(new Intl.NumberFormat(locale, { style: "unit", unit, unitDisplay }).format(whole));
  }
  return new Intl.ListFormat(language, { type: "unit" }).format(parts);
}

function translate() {
  document.documentElement.lang = language;
  document.documentElement.dir = language === "ar" ? "rtl" : "ltr";
  const nodes = document.createTreeWalker(document, NodeFilter.SHOW_TEXT);
  while (nodes.nextNode()) {
    const text = nodes.currentNode.data.trim();
    if (text in texts) nodes.currentNode.data = nodes.currentNode.data.replace(text, () => t(text));
  }
  for (const node of document.querySelectorAll("[aria-label]")) node.ariaLabel = t(node.ariaLabel);
}

// A language that was chosen stays chosen on the demo's other pages.
function keepLanguage() {
  for (const link of document.links) {
    const to = new URL(link.href);
    if (to.searchParams.get("lang") === language) link.ariaCurrent = "true";
    else if (chosen && to.origin === location.origin && !to.search) link.search = `?lang=${language}`;
  }
}

translate();
keepLanguage();
// Hidden until now: a form that is sent before its script is there would put the password into the address.
document.body.hidden = false;
