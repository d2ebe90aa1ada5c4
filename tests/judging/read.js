// Reads forwarded requests as Node servers do: one JSON line in, one out. See readings.rs.
"use strict";
const lines = require("node:fs").readFileSync(0, "utf8").split("\n").filter(Boolean);

/** Segments of the path, by the WHATWG parser and by splitting, decoded before or after. */
function pathReadings(target) {
  const parsed = new URL("http://h" + target).pathname;
  const split = target.split("?")[0];
  return [parsed, split].flatMap((path) => [path.split("/").map(decodeURIComponent), decodeURIComponent(path).split("/")]);
}

/**
 * The object in a body: as JSON.parse has it, and without regard to case. Not: copied onto another object by assignment,
 * where a member named __proto__ becomes what is inherited; that is a fault of whoever does it.
 */
function bodyReadings(body) {
  if (body.length === 0) return [];
  let value;
  try {
    value = JSON.parse(new TextDecoder("utf-8").decode(body));
  } catch {
    return [];
  }
  if (value === null || typeof value !== "object") return [];
  const folded = {};
  for (const name of Object.keys(value)) {
    const meant = ["userId", "clientId"].find((n) => n.toLowerCase() === name.toLowerCase());
    if (meant !== undefined && !(meant in folded)) folded[meant] = value[name];
  }
  return [value, { ...value }, folded];
}

const text = (value) => (value === null || value === undefined ? "" : typeof value === "string" ? value : JSON.stringify(value));

function read({ target, route, body }) {
  const apps = new Set();
  const users = new Set();
  for (const segments of pathReadings(target)) {
    const rest = segments.slice(4);
    apps.add(route < 2 ? rest[1] : rest[0]);
    if (route === 1) users.add(rest.slice(3, rest.map((w) => w.toLowerCase()).lastIndexOf("threads")).join("/"));
  }
  if (route === 2) {
    const query = target.includes("?") ? target.slice(target.indexOf("?") + 1) : "";
    for (const value of new URLSearchParams(query).getAll("userId")) users.add(value);
    for (const value of [require("node:querystring").parse(query).userId ?? []].flat()) users.add(value);
  }
  if (route === 0) {
    for (const reading of bodyReadings(Buffer.from(body, "hex"))) {
      if (reading.userId !== undefined) users.add(text(reading.userId));
      const client = text(reading.clientId);
      if (client !== "") apps.add(client.split("/")[0]);
    }
  }
  return { apps: [...apps].map(text), users: [...users].filter((user) => user !== "") };
}

process.stdout.write(lines.map((line) => JSON.stringify(read(JSON.parse(line))) + "\n").join(""));
