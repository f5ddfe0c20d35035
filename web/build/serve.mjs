// Serves a folder on the loopback: node build/serve.mjs [FOLDER [PORT]], by default web/dist on 8000. Port 0: any.
import { createReadStream, existsSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { dirname, extname, join, normalize, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";

const TYPES = {
  ".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".mjs": "text/javascript; charset=utf-8",
  ".py": "text/plain; charset=utf-8", ".json": "application/json", ".wasm": "application/wasm",
};
const web = dirname(dirname(fileURLToPath(import.meta.url)));
const folder = resolve(process.argv[2] ?? join(web, "dist"));

// Returns the file that an address names, or null: none outside of the folder.
function fileOf(address) {
  let path;
  try {
    path = normalize(join(folder, decodeURIComponent(new URL(address, "http://localhost").pathname)));
  } catch {
    return null;
  }
  if (path.includes("\0") || (path !== folder && !path.startsWith(folder + sep))) return null;
  if (existsSync(path) && statSync(path).isDirectory()) path = join(path, "index.html");
  return existsSync(path) ? path : null;
}

const server = createServer((request, response) => {
  const path = fileOf(request.url);
  if (path?.endsWith("index.html") && !/(\/|index\.html)(\?|$)/.test(request.url)) { // else relative addresses fail
    response.writeHead(301, { "location": `${request.url.split("?")[0].replace(/^\/+/, "/")}/` }).end();
    return;
  }
  if (!path || !["GET", "HEAD"].includes(request.method)) {
    response.writeHead(404, { "content-type": "text/plain" }).end("not found");
    return;
  }
  const modified = statSync(path).mtime.toUTCString();
  const headers = { "content-type": TYPES[extname(path)] ?? "application/octet-stream", "last-modified": modified,
                    "cache-control": "no-cache", "vary": "accept-encoding" };
  if (request.headers["if-modified-since"] === modified) {
    response.writeHead(304, headers).end();
    return;
  }
  const zipped = /\bgzip\b/.test(request.headers["accept-encoding"] ?? "") && existsSync(`${path}.gz`);
  if (zipped) headers["content-encoding"] = "gzip";
  const sent = zipped ? `${path}.gz` : path;
  response.writeHead(200, { ...headers, "content-length": statSync(sent).size });
  if (request.method === "HEAD") response.end();
  else createReadStream(sent).on("error", () => response.destroy()).pipe(response);
});
server.on("error", (error) => {
  console.error(`error: cannot listen (${error.code}); give another port: node build/serve.mjs dist 8001`);
  process.exit(2);
});
server.listen(Number(process.argv[3] ?? 8000), "127.0.0.1", () => {
  console.log(`http://127.0.0.1:${server.address().port}/`);
});
