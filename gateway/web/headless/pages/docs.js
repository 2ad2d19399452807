// Shows openapi.json. Every operation can be tried against the gateway that served this page.
const api = await (await fetch("/headless/openapi.json")).json();
const schemas = api.components.schemas;
const resolved = (schema) => (schema.$ref ? schemas[schema.$ref.split("/").pop()] : schema);
const schemaOf = ({ content }) => content["application/json"].schema;
const modelsOf = (schema) => (schema.oneOf ?? [schema]).map(resolved);

function element(name, text = "", children = []) {
  const made = document.createElement(name);
  made.textContent = text;
  made.append(...children);
  return made;
}

// Text in which every second part stands between backticks.
const prose = (name, text) => element(name, "", text.split("`").map((part, index) => element(index % 2 ? "code" : "span", part)));

// Each row has a first cell and the lines of the second one.
function table(heads, rows) {
  const head = element("tr", "", heads.map((text) => element("th", text)));
  const body = rows.map(([first, ...lines]) => element("tr", "", [
    element("td", "", [element("code", first)]),
    element("td", "", lines.filter(Boolean).map((line) => prose("div", line))),
  ]));
  return element("table", "", [head, ...body]);
}

function typeOf(key) {
  const schema = resolved(key);
  if (schema.type === "array") return `list of ${typeOf(schema.items)}`;
  const type = schema.enum?.join(" | ") ?? schema.const ?? schema.type;
  return schema.maxLength ? `${type}, at most ${schema.maxLength} characters` : type;
}

const keysOf = (model) => Object.entries(model.properties).map(([name, key]) => [
  name,
  typeOf(key) + (model.required?.includes(name) ? "" : " (optional)"),
  key.description ?? resolved(key).description,
]);

const sectionOf = (model, example) => [
  prose("p", model.description),
  table(["key", "value"], keysOf(model)),
  element("pre", JSON.stringify(example, null, 2)),
];

function problemsOf(responses) {
  return Object.entries(responses).flatMap(([status, { content }]) =>
    Object.values(content["application/json"].examples).map(({ value }) => [status, `\`${value.code}\``, value.message]));
}

function trial(path, model) {
  const inputs = Object.keys(model.properties).filter((name) => name !== "apiKey").map((name) => {
    const input = element("input");
    input.name = name;
    input.autocomplete = "off";
    input.type = name === "password" ? "password" : "text";
    return element("label", name, [input]);
  });
  const result = element("pre");
  result.hidden = true;
  const form = element("form", "", [...inputs, element("button", "Send")]);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const given = [...new FormData(form)].filter(([, value]) => value !== "");
    const body = Object.fromEntries(given.map(([name, value]) => [name, model.properties[name].type === "boolean" ? value === "true" : value]));
    body.apiKey = document.getElementById("key").value;
    const response = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
    result.hidden = false;
    result.textContent = `${response.status}\n${JSON.stringify(await response.json(), null, 2)}`;
  });
  return [form, result];
}

function operation(path, { summary, description, requestBody, responses: { 200: success, ...problems } }) {
  const request = resolved(schemaOf(requestBody));
  const examples = Object.values(success.content["application/json"].examples).map(({ value }) => value);
  const inside = element("div", "", [
    prose("p", description),
    element("h3", "Request"),
    ...sectionOf(request, requestBody.content["application/json"].example),
    element("h3", "Answer"),
    ...modelsOf(schemaOf(success)).flatMap((model, index) => sectionOf(model, examples[index])),
    element("h3", "Problems"),
    table(["status", "code and message"], problemsOf(problems)),
    element("h3", "Try it"),
    ...trial(path, request),
  ]);
  inside.className = "inside";
  return element("details", "", [element("summary", "", [element("code", `POST ${path}`), element("span", summary)]), inside]);
}

document.getElementById("about").replaceChildren(prose("span", `Version ${api.info.version}. ${api.info.description}`));
for (const { name, description } of api.tags) {
  const tagged = Object.entries(api.paths).filter(([, { post }]) => post.tags.includes(name));
  const section = element("section", "", [
    element("h2", name),
    element("p", description),
    ...tagged.map(([path, { post }]) => operation(path, post)),
  ]);
  document.getElementById("operations").append(section);
}
