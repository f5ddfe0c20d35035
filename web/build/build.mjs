// Builds the static page: node build/build.mjs [FOLDER], by default web/dist. Python: $PYTHON, ../.venv or python3.
import { spawnSync } from "node:child_process";
import { copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync,
         writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const WEB = dirname(dirname(fileURLToPath(import.meta.url)));
const LIBRARIES = {
  "pyodide": ["pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", "python_stdlib.zip", "pyodide-lock.json"],
  "onnxruntime-web/dist": ["ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"],
};
const COMPRESSED = /\.(html|css|mjs|py|json|wasm|onnx)$/;

function fail(message) {
  console.error(`error: ${message}`);
  process.exit(2);
}

// Copies the files of the libraries that the page loads, each library into a folder of its own.
function copyLibraries(out) {
  for (const [library, names] of Object.entries(LIBRARIES)) {
    const target = join(out, library.split("/")[0]);
    mkdirSync(target, { recursive: true });
    for (const name of names) {
      const source = join(WEB, "node_modules", library, name);
      if (!existsSync(source)) fail(`${source}: not found; run npm ci in web/`);
      copyFileSync(source, join(target, name));
    }
  }
}

// Writes the text front end and the voices; see build/pack.py.
function packPython(out) {
  const local = join(WEB, "..", ".venv", "bin", "python");
  const python = process.env.PYTHON ?? (existsSync(local) ? local : "python3");
  const done = spawnSync(python, [join(WEB, "build", "pack.py"), out], { stdio: "inherit" });
  if (done.error) fail(`${python}: cannot be run (${done.error.code}); set PYTHON to a Python with requirements-speak.txt`);
  if (done.status !== 0) fail(`${python} build/pack.py failed; PYTHON must be a Python with requirements-speak.txt`);
}

// Writes NAME.gz beside each file that shrinks; a server may send it in its place.
function compress(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) compress(path);
    else if (COMPRESSED.test(entry.name)) writeFileSync(`${path}.gz`, gzipSync(readFileSync(path), { level: 9 }));
  }
}

const out = resolve(process.argv[2] ?? join(WEB, "dist"));
if (existsSync(out) && !existsSync(join(out, "voice.json")) && readdirSync(out).length) {
  fail(`${out}: holds other files; name an empty folder`);
}
const unfinished = `${out}.new`;
rmSync(unfinished, { recursive: true, force: true });
mkdirSync(unfinished, { recursive: true });
cpSync(join(WEB, "src"), unfinished, { recursive: true, filter: (path) => !path.includes("__pycache__") });
copyLibraries(unfinished);
packPython(unfinished);
compress(unfinished);
rmSync(out, { recursive: true, force: true });
renameSync(unfinished, out);
console.log(`${out}: built`);
