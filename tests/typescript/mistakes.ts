// Every statement of this file is a mistake, which the compiler must report.
import type { components, operations } from "./headgate.js";

type Schemas = components["schemas"];
type Opened = operations["authenticate"]["responses"][200]["content"]["application/json"];

export const unknownKey = (answer: Schemas["LoginAnswer"]) => answer.sessionToken;

export const unknownRequestKey: Schemas["Cancel"] = { apiKey: "demo", username: "alice", transactionID: "t", otp: "1" };

export const missingRequestKey: Schemas["Login"] = { apiKey: "demo", username: "alice", transactionID: "t", authType: "EMAIL" };

export const withoutBranching = (opened: Opened) => opened.transactionID;

export const wrongBranch = (opened: Opened) => (opened.authType === "NONE" ? opened.transactionID : "");

export const maybeMissing = (answer: Schemas["LoginAnswer"]): string => answer.rememberToken;

export const unknownMethod: Schemas["AuthType"] = "PIGEON";

export const noneIsNoMethod: Schemas["Resend"]["switchTo"] = "NONE";

export const unknownCode = (problem: Schemas["Problem"]) => problem.code === "wrong_password";

export const notOfThisEndpoint = (refused: operations["status"]["responses"][403]["content"]["application/json"]) => refused.code === "not_enrolled";
