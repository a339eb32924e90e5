/** The current request as something to run elsewhere. */

/** @typedef {Record<string, unknown>} Body */

/**
 * @param {string} address Of the service, with a slash at its end.
 * @param {Body} body
 * @param {boolean} withKey
 * @returns {string} For a POSIX shell.
 */
export function asCurl(address, body, withKey) {
  const key = withKey ? ` \\\n  -H "Authorization: Bearer $TART_API_KEY"` : "";
  const lines = [`curl -s ${quoted(`${address}v1/search`)} \\`, `  -H 'Content-Type: application/json'${key} \\`];
  return [...lines, `  -d ${quoted(JSON.stringify(body, null, 2))}`].join("\n");
}

/**
 * @param {string} address
 * @param {Body} body
 * @param {boolean} withKey
 * @returns {string} Needs nothing but Python.
 */
export function asPython(address, body, withKey) {
  const key = withKey ? ', "Authorization": f"Bearer {os.environ[\'TART_API_KEY\']}"' : "";
  return `import json
${withKey ? "import os\n" : ""}import urllib.request

body = ${python(body, "")}
request = urllib.request.Request(
    ${JSON.stringify(`${address}v1/search`)},
    data=json.dumps(body).encode(),
    headers={"Content-Type": "application/json"${key}},
)
with urllib.request.urlopen(request) as response:
    for hit in json.load(response)["data"]:
        print(hit["rank"], round(hit["score"], 3), hit["id"])
`;
}

/**
 * @param {string} text
 * @returns {string}
 */
function quoted(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/**
 * A JSON value as a Python literal. JSON's strings are Python's, but for pairs of surrogates, which are not escaped here.
 *
 * @param {unknown} value
 * @param {string} indent
 * @returns {string}
 */
function python(value, indent) {
  if (value === null || value === undefined) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value !== "object") return JSON.stringify(value);
  const inner = `${indent}    `;
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  const items = Array.isArray(value)
    ? value.map((one) => `${inner}${python(one, inner)},\n`)
    : Object.entries(value).map(([key, one]) => `${inner}${JSON.stringify(key)}: ${python(one, inner)},\n`);
  return `${open}\n${items.join("")}${indent}${close}`;
}
