// The README's frontend, in TypeScript: it compiles with the types that are made of the OpenAPI document.
import type { components, operations } from "./headgate.js";

type Schemas = components["schemas"];
type Operation = keyof operations;
type Request<Name extends Operation> = operations[Name]["requestBody"]["content"]["application/json"];
type Answer<Name extends Operation> = operations[Name]["responses"][200]["content"]["application/json"];
type Refusal = (Schemas["Problem"] | Schemas["Failed"]) & { retryAfter: number };

async function ask<Name extends Operation>(name: Name, path: string, body: Omit<Request<Name>, "apiKey">): Promise<Answer<Name>> {
  const response = await fetch(`/headless/${path}`, {
    method: "POST",
    credentials: "include",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ ...body, apiKey: "demo" }),
  });
  const answer: Answer<Name> | Schemas["Problem"] | Schemas["Failed"] = await response.json();
  if (answer.status === "SUCCESS") return answer as Answer<Name>;
  throw Object.assign(new Error(answer.message), answer, { retryAfter: Number(response.headers.get("Retry-After")) });
}

export async function logIn(username: string, password: string, otp: () => Promise<string>): Promise<string> {
  const opened = await ask("authenticate", "authenticate", { username, password });
  if (opened.authType === "NONE") return nameIn(opened);
  const { transactionID, authType, destination, expiresIn } = opened;
  console.log(`${opened.message} ${destination} ${expiresIn.toFixed()}`);
  const granted = await ask("login", "login", { username, transactionID, authType, otp: await otp(), remember: true });
  localStorage.setItem("device", granted.rememberToken ?? "");
  await ask("logout", "logout", { logout_token: granted.session.logout_token });
  return nameIn(granted);
}

function nameIn({ userprofile, session }: Schemas["NoCodeNeeded"] | Schemas["LoginAnswer"]): string {
  return `${String(userprofile["name"]?.[0]?.["value"])} ${session.csrf_token}`;
}

export function nextStep(error: Refusal): string {
  switch (error.code) {
    case "wrong_otp": return error.attemptsLeft > 0 ? "ask for the code again" : "start again";
    case "transaction_closed": return "start again";
    case "credentials": return "ask for the password again";
    case "flood": case "too_soon": case "account_locked": return `wait ${error.retryAfter} s`;
    default: return "show the message";
  }
}

// Only codes that an endpoint can answer with this status.
type Forbidden = operations["login"]["responses"][403]["content"]["application/json"];

export function isOver(refused: Forbidden): boolean {
  return refused.status === "FAILED" ? refused.code === "transaction_closed" || refused.attemptsLeft === 0 : refused.code !== "origin";
}

export function waitOf(response: operations["resend"]["responses"][429]): number {
  return response.headers["Retry-After"];
}

export async function wasDelivered(login: Schemas["Status"]): Promise<Schemas["AuthType"] | undefined> {
  const { delivery, carriedBy, resendIn, attemptsLeft } = await ask("status", "status", login);
  return delivery === "sent" && resendIn + attemptsLeft > 0 ? carriedBy : undefined;
}
