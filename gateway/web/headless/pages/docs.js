// Reads openapi.json and lays it out; every operation can be tried against this very gateway.
const api = await (await fetch("/headless/openapi.json")).json();
const shapes = api.components.schemas;
const shapesOf = (content) => {
  const { schema } = content["application/json"];
  return (schema.anyOf ?? [schema]).map(({ $ref }) => shapes[$ref?.split("/").pop()] ?? {});
};
const shapeOf = (content) => shapesOf(content)[0];

function element(name, text = "", children = []) {
  const made = document.createElement(name);
  made.textContent = text;
  made.append(...children);
  return made;
}

function table(heads, rows) {
  const head = element("tr", "", heads.map((text) => element("th", text)));
  const body = rows.map((row) => element("tr", "", row.map((cell) => (cell instanceof Node ? element("td", "", [cell]) : element("td", cell)))));
  const frame = element("div", "", [element("table", "", [head, ...body])]);
  frame.className = "table";
  return frame;
}

const typeOf = (field) => field.enum?.join(" | ") ?? field.const ?? field.type ?? field.anyOf?.map(typeOf).filter((type) => type !== "null").join(" | ") ?? "object";
const most = (field) => field.maxLength ?? field.anyOf?.find((one) => one.maxLength)?.maxLength;

function fieldsOf(shape) {
  return Object.entries(shape.properties ?? {}).map(([name, field]) => [
    element("code", name),
    typeOf(field) + (most(field) ? `, at most ${most(field)} characters` : ""),
    shape.required?.includes(name) ? "" : "optional",
  ]);
}

function trial(path, shape) {
  const inputs = Object.keys(shape.properties).filter((name) => name !== "apiKey").map((name) => {
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
    const body = Object.fromEntries(given.map(([name, value]) => [name, shape.properties[name].type === "boolean" ? value === "true" : value]));
    body.apiKey = document.getElementById("key").value;
    const response = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
    result.hidden = false;
    result.textContent = `${response.status}\n${JSON.stringify(await response.json(), null, 2)}`;
  });
  return [form, result];
}

document.getElementById("about").textContent = `Version ${api.info.version}. ${api.info.description}`;
for (const [path, { post }] of Object.entries(api.paths)) {
  const { 200: success, ...problems } = post.responses;
  const inside = element("div", "", [
    element("h3", "Request"),
    table(["key", "type", ""], fieldsOf(shapeOf(post.requestBody.content))),
    element("h3", "200"),
    ...shapesOf(success.content).map((shape) => table(["key", "type", ""], fieldsOf(shape))),
    element("h3", "Problems"),
    table(["status", "code"], Object.entries(problems).map(([status, problem]) => [status, problem.description])),
    element("h3", "Try it"),
    ...trial(path, shapeOf(post.requestBody.content)),
  ]);
  inside.className = "inside";
  const head = element("summary", "", [element("code", `POST ${path}`), element("span", post.summary)]);
  document.getElementById("operations").append(element("details", "", [head, inside]));
}
