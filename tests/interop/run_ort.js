// Runs an ONNX model in ONNX Runtime: node run_ort.js FOLDER, where FOLDER holds
//
//   manifest.json  {"model": "model.onnx",            the model, in the folder or anywhere
//                   "optimized": "optimized.onnx",    where the optimized graph is written
//                   "batch": 100,                     samples a run (axis 0 of every input); 0: each sample is a whole
//                                                     input, without that axis, and so are the outputs
//                   "inputs": [{"name": "x", "type": "float32", "shape": [3000, 3, 32, 32], "file": "x.bin"}]}
//
// and the inputs' elements, little-endian, row-major. Writes outputs.json, a list like "inputs", and a .bin an output.
'use strict';
const fs = require('node:fs');
const path = require('node:path');
const { product, readArray, required } = require('./ort.js');

async function main(folder) {
  const ort = required('onnxruntime-node');
  const manifest = JSON.parse(fs.readFileSync(path.join(folder, 'manifest.json'), 'utf8'));
  const session = await ort.InferenceSession.create(path.resolve(folder, manifest.model), {
    executionProviders: ['cpu'],
    graphOptimizationLevel: 'all',
    optimizedModelFilePath: path.join(folder, manifest.optimized),
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
  });
  const inputs = manifest.inputs.map((input) => ({ ...input, data: readArray(path.resolve(folder, input.file), input.type) }));
  const samples = inputs[0].shape[0];
  const outputs = session.outputNames.map((name) => ({ name, type: '', shape: null, parts: [] }));
  const whole = manifest.batch === 0;
  const step = whole ? 1 : manifest.batch;
  for (let first = 0; first < samples; first += step) {
    const count = Math.min(step, samples - first);
    const feeds = {};
    for (const input of inputs) {
      const sample = product(input.shape.slice(1));
      const data = input.data.subarray(first * sample, (first + count) * sample);
      feeds[input.name] = new ort.Tensor(input.type, data, [...(whole ? [] : [count]), ...input.shape.slice(1)]);
    }
    const results = await session.run(feeds);
    for (const output of outputs) {
      const tensor = results[output.name];
      output.type = tensor.type;
      if (output.shape === null) output.shape = [0, ...tensor.dims.slice(whole ? 0 : 1)];
      output.shape[0] += whole ? 1 : tensor.dims[0];
      output.parts.push(Buffer.from(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength).slice());
    }
  }
  const listing = outputs.map((output, index) => {
    const file = `output${index}.bin`;
    fs.writeFileSync(path.join(folder, file), Buffer.concat(output.parts));
    return { name: output.name, type: output.type, shape: output.shape, file };
  });
  fs.writeFileSync(path.join(folder, 'outputs.json'), JSON.stringify(listing));
}

main(process.argv[2]).catch((error) => {
  console.error(error);
  process.exit(1);
});
