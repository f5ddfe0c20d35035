// A worker that makes the sound: text/ in Pyodide makes pieces of a text, student and vocoder in ONNX Runtime a wave.
//
// Receives {voice: its folder}, to load a voice before it is needed, and answers {kind: "ready", voice} or
// {kind: "failed", voice, message}. Receives {run, text, speed, voice} and sends, each with its run,
//   {kind: "piece", wave: Float32Array, sampleRate, silence: samples before it, words: [[text, start, stop], ...] in
//    samples of wave, dropped, unknown} for each sentence; the last one is a silence alone
//   {kind: "done"} after the last, or {kind: "error", message} in one line
// A later run ends the one before it; {run} alone does only that.
import * as ort from "./onnxruntime-web/ort.wasm.min.mjs";
import { createNetwork } from "./g2p.mjs";
import { normalNoise } from "./noise.mjs";
import { loadPyodide } from "./pyodide/pyodide.mjs";

const here = (name) => new URL(name, import.meta.url).href;
let current = 0;

async function fetched(name) {
  const response = await fetch(here(name));
  if (!response.ok) throw new Error(`${name}: the server answers ${response.status}; build the page again`);
  return response;
}

const bytes = async (name) => (await fetched(name)).arrayBuffer();
const text = async (name) => (await fetched(name)).text();
const loaded = new Map(); // name -> promise of what was loaded

// Returns what `load` loads, once; what could not be loaded is tried again when it is next needed.
function once(name, load) {
  if (!loaded.has(name)) {
    loaded.set(name, load());
    loaded.get(name).catch(() => loaded.delete(name));
  }
  return loaded.get(name);
}

// Returns the front end of src/front_end.py.
async function loadFrontEnd() {
  const [python, archive, source, about, weights] = await Promise.all([
    loadPyodide({ indexURL: here("pyodide/") }), bytes("front_end.zip"), text("front_end.py"),
    text("g2p.json").then(JSON.parse), bytes("g2p.bin")]);
  python.FS.mkdir("/front_end");
  python.unpackArchive(archive, "zip", { extractDir: "/front_end" });
  python.runPython("import sys; sys.path.insert(0, '/front_end')");
  python.FS.writeFile("/front_end/front_end.py", source);
  const network = createNetwork(about, weights);
  return python.pyimport("front_end").FrontEnd(network, JSON.stringify(about.phonemes));
}

async function loadNetwork(name) {
  return ort.InferenceSession.create(new Uint8Array(await bytes(name)),
                                     { executionProviders: ["wasm"], logSeverityLevel: 3 });
}

// One thread: several need headers that plain file servers do not send.
ort.env.wasm.numThreads = 1;
ort.env.wasm.wasmPaths = here("onnxruntime-web/");

// Returns a voice, whose files lie in a folder, with the front end.
async function loadVoice(folder) {
  const first = loadNetwork(`${folder}/student.onnx`);
  const second = first.then(() => loadNetwork(`${folder}/vocoder.onnx`));
  const [frontEnd, settings, student, vocoder] = await Promise.all([
    once("front end", loadFrontEnd), text(`${folder}/voice.json`), first, second]);
  return { frontEnd, student, vocoder, settings, voice: JSON.parse(settings) };
}

const needed = (folder) => once(folder, () => loadVoice(folder));
const lastLine = (error) => String(error.message ?? error).trim().split("\n").at(-1);

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

// Returns the noise (channels, steps) of a piece.
function noiseOf(channels, steps, { seed }, sigma) {
  const [values, drawn] = [new Float32Array(channels * steps), normalNoise(channels * steps, seed)];
  for (let index = 0; index < drawn.length; index++) { // drawn step by step
    values[(index % channels) * steps + Math.floor(index / channels)] = drawn[index] * sigma;
  }
  return new ort.Tensor("float32", values, [channels, steps]);
}

// Returns a sample in [-1, 1]; magnitudes above the knee are bent, as by synthesis/limiter.py.
function limited(sample, knee) {
  const over = Math.abs(sample) - knee;
  return over > 0 ? Math.sign(sample) * (knee + (1 - knee) * Math.tanh(over / (1 - knee))) : sample;
}

// Returns samples in [-1, 1] that fade in and out.
function faded(samples, { fade_samples: fade, knee }) {
  const wave = Float32Array.from(samples, (sample) => limited(sample, knee));
  const count = Math.min(fade, Math.floor(wave.length / 2));
  for (let index = 0; index < count; index++) {
    const gain = index / Math.max(1, count - 1);
    wave[index] *= gain;
    wave[wave.length - 1 - index] *= gain;
  }
  return wave;
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
  const { noise_channels: channels, noise_edge: edge, sigma } = voice;
  const noise = channels ? { noise: noiseOf(channels, input.dims[1] + 2 * edge, piece, sigma) } : {};
  const outputs = await vocoder.run({ mel: input, ...noise });
  const samples = outputs[vocoder.outputNames[0]].data.subarray(0, input.dims[1] * voice.hop_length);
  return { wave: faded(samples, voice), words };
}

async function speakText({ run, text, speed, voice: folder }) {
  const { frontEnd, settings, ...networks } = await needed(folder);
  frontEnd.begin(text, settings);
  for (;;) {
    const piece = JSON.parse(frontEnd.next() ?? "null");
    if (!piece || piece.error) {
      postMessage(piece ? { kind: "error", run, message: piece.error } : { kind: "done", run });
      return;
    }
    const { silence, dropped, unknown } = piece;
    const made = piece.ids ? await speak(piece, speed, networks) : { wave: new Float32Array(0), words: [] };
    await new Promise((resolve) => setTimeout(resolve)); // lets a later run arrive
    if (run !== current) return;
    const { sample_rate: sampleRate } = networks.voice;
    postMessage({ kind: "piece", run, sampleRate, silence, dropped, unknown, ...made }, [made.wave.buffer]);
  }
}

let previous = Promise.resolve();
onmessage = ({ data }) => {
  if (data.run === undefined) {
    needed(data.voice).then(() => postMessage({ kind: "ready", voice: data.voice }),
                            (error) => postMessage({ kind: "failed", voice: data.voice, message: lastLine(error) }));
    return;
  }
  current = data.run;
  previous = previous.then(async () => {
    if (data.run !== current || !data.text) return;
    try {
      await speakText(data);
    } catch (error) {
      postMessage({ kind: "error", run: data.run, message: lastLine(error) });
    }
  });
};
