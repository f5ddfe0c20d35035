// A worker that makes the sound: text/ in Pyodide makes pieces of a text, student and vocoder in ONNX Runtime a wave.
//
// Receives {run, text, speed} and sends, each with its run:
//   {kind: "ready", sampleRate} once, or {kind: "failed", message} if it cannot be loaded
//   {kind: "piece", wave: Float32Array, silence: samples before it, words: [[text, start, stop], ...] in samples of
//    wave, dropped, unknown} for each sentence; the last one is a silence alone
//   {kind: "done"} after the last, or {kind: "error", message} in one line
// A later run ends the one before it.
import * as ort from "./onnxruntime-web/ort.wasm.min.mjs";
import { loadPyodide } from "./pyodide/pyodide.mjs";

const here = (name) => new URL(name, import.meta.url).href;
let current = 0;

async function fetched(name) {
  const response = await fetch(here(name));
  if (!response.ok) throw new Error(`${name}: the server answers ${response.status}; build the page again`);
  return response;
}

// Returns the front end of src/front_end.py.
async function loadFrontEnd(settings) {
  const [python, archive, source] = await Promise.all([
    loadPyodide({ indexURL: here("pyodide/") }), fetched("front_end.zip").then((file) => file.arrayBuffer()),
    fetched("front_end.py").then((file) => file.text())]);
  python.FS.mkdir("/front_end");
  python.unpackArchive(archive, "zip", { extractDir: "/front_end" });
  python.runPython("import sys; sys.path.insert(0, '/front_end')");
  python.FS.writeFile("/front_end/front_end.py", source);
  return python.pyimport("front_end").FrontEnd(settings);
}

async function loadNetwork(name) {
  const data = new Uint8Array(await (await fetched(name)).arrayBuffer());
  return ort.InferenceSession.create(data, { executionProviders: ["wasm"], logSeverityLevel: 3 });
}

// One thread: several need headers that plain file servers do not send.
ort.env.wasm.numThreads = 1;
ort.env.wasm.wasmPaths = here("onnxruntime-web/");

async function load() {
  const settings = await (await fetched("voice.json")).text();
  const student = loadNetwork("student.onnx");
  const networks = student.then(() => loadNetwork("vocoder.onnx"));
  const [frontEnd, first, second] = await Promise.all([loadFrontEnd(settings), student, networks]);
  return { frontEnd, student: first, vocoder: second, voice: JSON.parse(settings) };
}

// Returns a mel (M, T) with frames of silence after it.
function padded(mel, voice) {
  const [bands, frames] = mel.dims;
  const length = frames + voice.tail_frames;
  const values = new Float32Array(bands * length).fill(Math.log(voice.log_floor));
  for (let band = 0; band < bands; band++) {
    values.set(mel.data.subarray(band * frames, (band + 1) * frames), band * length);
  }
  return new ort.Tensor("float32", values, [bands, length]);
}

// Returns samples in [-1, 1] that fade in and out.
function faded(samples, fade) {
  const wave = Float32Array.from(samples);
  const count = Math.min(fade, Math.floor(wave.length / 2));
  for (let index = 0; index < count; index++) {
    const gain = index / Math.max(1, count - 1);
    wave[index] *= gain;
    wave[wave.length - 1 - index] *= gain;
  }
  return wave.map((sample) => Math.min(1, Math.max(-1, sample)));
}

// Returns the wave of a piece, and its words in samples.
async function speak(piece, speed, { student, vocoder, voice }) {
  const count = piece.ids.length;
  const { mel, durations } = await student.run({
    ids: new ort.Tensor("int64", BigInt64Array.from(piece.ids, BigInt), [count]),
    speed: new ort.Tensor("float64", Float64Array.of(speed), []),
    pauses: new ort.Tensor("bool", Uint8Array.from(piece.pauses, Number), [count]),
  });
  const edges = [0];
  for (const frames of durations.data) edges.push(edges.at(-1) + Number(frames) * voice.hop_length);
  const words = piece.words.map(([text, start, stop]) => [text, edges[start], edges[stop]]);
  const input = padded(mel, voice);
  const outputs = await vocoder.run({ mel: input });
  const samples = outputs[vocoder.outputNames[0]].data.subarray(0, input.dims[1] * voice.hop_length);
  return { wave: faded(samples, voice.fade_samples), words };
}

async function speakText({ run, text, speed }, loaded) {
  loaded.frontEnd.begin(text);
  for (;;) {
    const piece = JSON.parse(loaded.frontEnd.next() ?? "null");
    if (!piece || piece.error) {
      postMessage(piece ? { kind: "error", run, message: piece.error } : { kind: "done", run });
      return;
    }
    const { silence, dropped, unknown } = piece;
    const made = piece.ids ? await speak(piece, speed, loaded) : { wave: new Float32Array(0), words: [] };
    await new Promise((resolve) => setTimeout(resolve)); // lets a later run arrive
    if (run !== current) return;
    postMessage({ kind: "piece", run, silence, dropped, unknown, ...made }, [made.wave.buffer]);
  }
}

const loading = load();
loading.then(({ voice }) => postMessage({ kind: "ready", sampleRate: voice.sample_rate }),
             (error) => postMessage({ kind: "failed", message: String(error.message ?? error) }));
let previous = loading.catch(() => {});
onmessage = ({ data }) => {
  current = data.run;
  previous = previous.then(async () => {
    if (data.run !== current || !data.text) return; // an empty text only ends the run before it
    try {
      await speakText(data, await loading);
    } catch (error) {
      postMessage({ kind: "error", run: data.run, message: String(error.message ?? error).trim().split("\n").at(-1) });
    }
  });
};
