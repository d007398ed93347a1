// ONNX Runtime and the exchange of tensors with it: elements in a file, little-endian, row-major.
'use strict';
const fs = require('node:fs');
const path = require('node:path');
const { createRequire } = require('node:module');

const ARRAYS = {
  float32: Float32Array, float64: Float64Array, uint8: Uint8Array, int8: Int8Array, uint16: Uint16Array,
  int16: Int16Array, int32: Int32Array, uint32: Uint32Array, int64: BigInt64Array, uint64: BigUint64Array,
  bool: Uint8Array,
};

// The packages lie where npm installed them, which is the working folder, not beside this file.
exports.required = (name) => createRequire(path.join(process.cwd(), 'package.json'))(name);

exports.emptyArray = function (type, count) {
  const Type = ARRAYS[type];
  if (Type === undefined) throw new Error(`element type ${type} is not known`);
  return new Type(count);
};

exports.readArray = function (file, type) {
  const bytes = fs.readFileSync(file);
  const array = exports.emptyArray(type, 0);
  return new array.constructor(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
};

exports.product = (sizes) => sizes.reduce((a, b) => a * b, 1);
