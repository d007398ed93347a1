// Manifests against the schemas of Kubernetes: node check_manifests.js FOLDER_OF_PACKAGES < array of objects as JSON
//
// Prints one line a wrong and exits 1 when there is one. Wrong is what the API server would refuse, and also what it would
// ignore: a field that no schema knows is one that validation never looks at.
'use strict';
const path = require('path');

const packages = path.resolve(process.argv[2], 'node_modules');
const { runValidateFunc } = require(path.join(packages, '@kubernetes-models/validate'));

// "apps/v1 StatefulSet" -> IoK8sApiAppsV1StatefulSet
function schemaOf(object) {
  const [group, version] = object.apiVersion.includes('/') ? object.apiVersion.split('/') : ['core', object.apiVersion];
  const capital = (word) => word[0].toUpperCase() + word.slice(1);
  const name = 'IoK8sApi' + capital(group.split('.')[0]) + capital(version) + object.kind;
  return require(path.join(packages, 'kubernetes-models', '_schemas', name + '.js')).validate;
}

// The value, remembering which of its fields were looked at.
function watched(value, place, unseen) {
  if (value === null || typeof value !== 'object') return value;
  const inner = {};
  for (const key of Object.keys(value)) unseen.add(place + '/' + key);
  return new Proxy(value, {
    get(target, key) {
      if (typeof key === 'symbol' || !Object.hasOwn(target, key)) return target[key];
      unseen.delete(place + '/' + key);
      inner[key] ??= watched(target[key], place + '/' + key, unseen);
      return inner[key];
    },
  });
}

function wrongs(object) {
  const unseen = new Set();
  try {
    runValidateFunc(schemaOf(object), watched(object, '', unseen));
  } catch (error) {
    return [error.message];
  }
  return [...unseen].map((place) => place + ' is no field of it');
}

const objects = JSON.parse(require('fs').readFileSync(0, 'utf8'));
let found = 0;
for (const object of objects) {
  for (const wrong of wrongs(object)) {
    console.log(`${object.kind} ${object.metadata && object.metadata.name}: ${wrong}`);
    ++found;
  }
}
console.log(`${objects.length} objects, ${found} wrong`);
process.exit(found > 0 ? 1 : 0);
