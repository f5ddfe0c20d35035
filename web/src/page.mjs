// The page: sends a text to the worker speaker.mjs, plays its sentences while they are made, and keeps them for a wav.
import { wavFile } from "./wav.mjs";

const LEAD = 0.05; // seconds from the moment a sentence is there to its sound, if nothing is being played
const [form, text, voice, speed, shown, speak, stop, download, status, notes, words] = [
  "form", "text", "voice", "speed", "shown", "speak", "stop", "download", "status", "notes", "words",
].map((id) => document.getElementById(id));
const worker = new Worker(new URL("speaker.mjs", import.meta.url), { type: "module" });

let ready = false; // whether the chosen voice is loaded
let run = 0; // counts the texts
let context = null; // of WebAudio; browsers allow one after a click only
let playing = null; // of the current text: {waves, sampleRate, until, sources, marks, dropped, unknown, made}

function say(element, message) {
  if (element.textContent !== message) element.textContent = message;
}

// Ends the sound and the making of the current text.
function end() {
  if (!playing) return;
  for (const source of playing.sources) source.stop();
  playing = null;
  stop.disabled = true;
  light(-1);
}

function start() {
  end();
  context ??= new AudioContext();
  context.resume();
  playing = { waves: [], until: 0, sources: [], marks: [], dropped: new Set(), unknown: new Set(), made: false };
  run += 1;
  words.replaceChildren();
  say(notes, "");
  hideDownload();
  say(status, ready ? "Making the sound …" : "Loading the voice …");
  stop.disabled = false;
  performance.mark("asked");
  worker.postMessage({ run, text: text.value, speed: Number(speed.value), voice: voice.value });
}

function hideDownload() {
  if (download.href) URL.revokeObjectURL(download.href);
  download.removeAttribute("href");
  download.hidden = true;
}

// Plays a sentence after those before it, and shows its words.
function play({ wave, sampleRate, silence, words: spoken, dropped, unknown }) {
  const samples = new Float32Array(silence + wave.length);
  samples.set(wave, silence);
  for (const sign of dropped) playing.dropped.add(sign);
  for (const word of unknown) playing.unknown.add(word);
  tell();
  if (!samples.length) return;
  playing.waves.push(samples);
  playing.sampleRate = sampleRate;
  const buffer = context.createBuffer(1, samples.length, sampleRate);
  buffer.copyToChannel(samples, 0);
  const source = new AudioBufferSourceNode(context, { buffer });
  source.connect(context.destination);
  const from = Math.max(playing.until, context.currentTime + LEAD);
  source.start(from);
  if (playing.sources.length === 0) performance.mark("first sound");
  playing.sources.push(source);
  playing.until = from + samples.length / sampleRate;
  for (const [word, start, stop] of spoken) {
    const span = document.createElement("span");
    span.textContent = word;
    words.append(span, " ");
    playing.marks.push({ span, from: from + (silence + start) / sampleRate, to: from + (silence + stop) / sampleRate });
  }
  say(status, "Speaking …");
}

// One line about what cannot be said, and about words that are said by their letters.
function tell() {
  const lines = [];
  if (playing.dropped.size) lines.push(`Left out, for it cannot be said: ${[...playing.dropped].join(" ")}`);
  if (playing.unknown.size) {
    lines.push(`In no dictionary, so guessed from the letters, perhaps wrongly: ${[...playing.unknown].join(", ")}`);
  }
  say(notes, lines.join(". "));
}

// Lights the word that is said at a time of the context.
function light(now) {
  for (const lit of words.querySelectorAll(".said")) lit.classList.remove("said");
  playing?.marks.find(({ from, to }) => from <= now && now < to)?.span.classList.add("said");
}

function follow() {
  if (playing) {
    light(context.currentTime);
    if (playing.made && context.currentTime >= playing.until) {
      end();
      say(status, "Done.");
    }
  }
  requestAnimationFrame(follow);
}

function finish() {
  playing.made = true;
  download.href = URL.createObjectURL(wavFile(playing.waves, playing.sampleRate));
  download.hidden = false;
  performance.mark("made");
}

function fail(message) {
  end();
  say(status, message);
}

// Shows which voices there are besides the default one.
async function offerVoices() {
  const response = await fetch(new URL("voices.json", import.meta.url));
  for (const { name, folder } of response.ok ? await response.json() : []) {
    voice.append(new Option(name, folder));
    for (const element of [voice, ...voice.labels]) element.hidden = false;
  }
}

// Loads the chosen voice.
function choose() {
  halt();
  ready = false;
  say(status, "Loading the voice …");
  worker.postMessage({ voice: voice.value });
}

// Ends the current text in the worker too.
function halt() {
  end();
  run += 1;
  worker.postMessage({ run });
}

worker.onmessage = ({ data }) => {
  if (data.kind === "ready" && data.voice === voice.value) {
    ready = true;
    performance.mark("ready");
    say(status, playing ? "Making the sound …" : "Ready.");
  } else if (data.kind === "failed" && data.voice === voice.value) {
    fail(`The voice cannot be loaded: ${data.message}`);
  } else if (data.run === run && playing) {
    if (data.kind === "piece") play(data);
    else if (data.kind === "done") finish();
    else fail(data.message);
  }
};
worker.onerror = (event) => {
  fail(`The voice cannot be loaded: ${event.message || "speaker.mjs does not run in this browser"}`);
  speak.disabled = true;
};
form.addEventListener("submit", (event) => {
  event.preventDefault();
  start();
});
stop.addEventListener("click", () => {
  halt();
  say(status, "Stopped.");
  speak.focus(); // the button that had the focus is disabled now
});
voice.addEventListener("change", choose);
speed.addEventListener("input", () => say(shown, Number(speed.value).toFixed(1)));
choose();
offerVoices();
requestAnimationFrame(follow);
