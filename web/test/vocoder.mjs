// Runs a vocoder in onnxruntime-web under Node.js, on one thread: node test/vocoder.mjs MODEL MEL FRAMES WAVE RUNS.
//
// MEL and WAVE are files of float32, (bands, FRAMES) and (samples,). Prints the least CPU time of RUNS runs in
// milliseconds.
import { readFileSync, writeFileSync } from "node:fs";
import * as ort from "onnxruntime-web/wasm";

const [model, source, frames, target, runs] = process.argv.slice(2);
ort.env.wasm.numThreads = 1;
const session = await ort.InferenceSession.create(new Uint8Array(readFileSync(model)), { logSeverityLevel: 3 });
const mel = new Float32Array(new Uint8Array(readFileSync(source)).buffer);
let [least, wave] = [Infinity, null];
for (let run = 0; run < Number(runs); run++) {
  const start = process.cpuUsage();
  ({ wave } = await session.run({ mel: new ort.Tensor("float32", mel, [mel.length / frames, Number(frames)]) }));
  const { user, system } = process.cpuUsage(start); // microseconds
  least = Math.min(least, (user + system) / 1000);
}
writeFileSync(target, new Uint8Array(wave.data.buffer, wave.data.byteOffset, wave.data.byteLength));
console.log(least);
