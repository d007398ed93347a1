// ONNX Runtime behind a pipe: node ort_server.js, in the folder of packages. A request a line on standard input, an
// answer a line on standard output: {"done": …} or {"error": "what it said"}.
//
//   {"load": {"name": "a", "model": "/path/model.onnx", "threads": 2,
//             "samples": [[{"name": "x", "type": "float32", "shape": [1, 3], "file": "/path/x.bin"}]]}}
//   {"run": {"name": "a", "milliseconds": 100}}      -> {"done": [milliseconds of each run]}
//   {"forget": {"name": "a"}}
//
// A session is made once and its outputs are written to the same arrays in every run. Runs call the native session of
// the package: what its JavaScript adds around it (a turn of the event loop) is not the engine's. What is left of the
// binding's cost is measured with a model that does nothing.
'use strict';
const readline = require('node:readline');
const {emptyArray, product, readArray, required} = require('../../interop/ort.js');

const ort = required('onnxruntime-node');
const {binding, initOrt} = required('onnxruntime-node/dist/binding.js');
const sessions = new Map();

function load({name, model, threads, samples}) {
  const session = new binding.InferenceSession();
  session.loadModel(model, {
    executionProviders: ['cpu'],
    graphOptimizationLevel: 'all',
    executionMode: 'sequential',
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
  });
  const feeds = samples.map(
      (inputs) => Object.fromEntries(inputs.map(
          (input) => [input.name, new ort.Tensor(input.type, readArray(input.file, input.type), input.shape)])));
  const any = Object.fromEntries(session.outputMetadata.map((output) => [output.name, null]));
  const outputs = session.run(feeds[0], any, {});
  const fetches = Object.fromEntries(Object.entries(outputs).map(
      ([name,
        tensor]) => [name, new ort.Tensor(tensor.type, emptyArray(tensor.type, product(tensor.dims)), tensor.dims)]));
  sessions.set(name, {session, feeds, fetches, next: 0});
  return true;
}

// As the own engine is timed: a tenth of the slice to get warm (what ran before has filled the caches), then every run.
function run({name, milliseconds}) {
  const entry = sessions.get(name);
  const once = () => {
    entry.session.run(entry.feeds[entry.next], entry.fetches, {});
    entry.next = (entry.next + 1) % entry.feeds.length;
  };
  const warm = performance.now() + milliseconds / 10;
  do once();
  while (performance.now() < warm);
  const times = [];
  const end = performance.now() + milliseconds;
  let now = performance.now();
  do {
    const start = now;
    once();
    now = performance.now();
    times.push(now - start);
  } while (now < end);
  return times;
}

function forget({name}) {
  const entry = sessions.get(name);
  if (entry !== undefined) entry.session.dispose();
  return sessions.delete(name);
}

const requests = {
  load,
  run,
  forget
};

function answer(line) {
  try {
    const [[verb, arguments_]] = Object.entries(JSON.parse(line));
    return {done: requests[verb](arguments_)};
  } catch (error) {
    return {error: String(error.message || error)};
  }
}

initOrt();
const lines = readline.createInterface({input: process.stdin});
lines.on('line', (line) => process.stdout.write(JSON.stringify(answer(line)) + '\n'));
lines.on('close', () => process.exit(0));
