// One call of the API. A refusal is thrown as an Error with a sentence for the user, in the language of the page.
import { duration, language, t } from "./texts.js";

const API_KEY = "demo"; // A browser's key is public: it names the client and protects nothing.
const LONGEST_WAIT_MS = 30_000;

export async function ask(endpoint, body) {
  const { response, answer } = await fetched(endpoint, body);
  if (answer.status === "SUCCESS") return answer;
  const wait = Number(response.headers.get("Retry-After"));
  const sentence = wait ? `${answer.message} ${t("Waiting time: {time}.", { time: duration(wait) })}` : answer.message;
  throw Object.assign(new Error(sentence), { code: answer.code, attemptsLeft: answer.attemptsLeft });
}

async function fetched(endpoint, body) {
  try {
    const response = await fetch(`/headless/${endpoint}`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "Accept-Language": language },
      body: JSON.stringify({ apiKey: API_KEY, ...body }),
      signal: AbortSignal.timeout(LONGEST_WAIT_MS),
    });
    return { response, answer: await response.json() };
  } catch {
    // No answer, or not the gateway's: a proxy's page is no JSON.
    const sentence = t("The gateway does not answer. Check that the demo is running, then try again.");
    throw Object.assign(new Error(sentence), { code: "unreachable" });
  }
}
