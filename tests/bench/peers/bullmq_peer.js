// BullMQ on Redis for bench_queue; README.md has the command line. NODE_PATH names the folder that `install` filled.
'use strict';
const { createRequire } = require('node:module');
const { Queue, QueueEvents, Worker } = require('bullmq');

const PARAMETERS = 'x'.repeat(200);
const RESULT = 'y'.repeat(100);
const WARM_UP = 500;
const AT_ONCE = 500; // jobs of one addBulk
const CONCURRENCY = 50;

const [part, address, jobs, trips] = process.argv.slice(2);
const connection = { path: address, maxRetriesPerRequest: null };
const name = 'bench';

async function work() {
  const worker = new Worker(name, async () => RESULT, { connection, concurrency: CONCURRENCY });
  await worker.waitUntilReady();
  console.log('peer ready');
}

async function measure(jobCount, tripCount) {
  // The history must not lose entries before they are read.
  const queue = new Queue(name, { connection, streams: { events: { maxLen: 10 * jobCount + 100000 } } });
  const events = new QueueEvents(name, { connection });
  await Promise.all([queue.waitUntilReady(), events.waitUntilReady()]);
  let seen = 0;
  let wanted = 0;
  let resolve = () => {};
  events.on('completed', ({ returnvalue }) => {
    if (returnvalue !== RESULT) throw new Error('a result is wrong');
    if (++seen === wanted) resolve();
  });
  events.on('failed', ({ failedReason }) => {
    throw new Error(failedReason);
  });
  const untilSeen = (count) => {
    wanted = seen + count;
    return new Promise((done) => { resolve = done; });
  };
  const run = async (count) => {
    const all = untilSeen(count);
    for (let first = 0; first < count; first += AT_ONCE) {
      const length = Math.min(AT_ONCE, count - first);
      await queue.addBulk(Array.from({ length }, () => ({ name: 'nothing', data: { parameters: PARAMETERS } })));
    }
    await all;
  };

  const require_ = createRequire(require.resolve('bullmq'));
  console.log(`peer version bullmq ${require_('bullmq/package.json').version}`);
  // Events are read from the moment at which the first reading begins, which nothing announces.
  for (let found = false; !found;) {
    const before = seen;
    await queue.add('nothing', { parameters: PARAMETERS });
    await new Promise((done) => setTimeout(done, 100));
    found = seen > before;
  }
  for (let before = -1; seen > before;) { // results that came late are not to be taken for those of the next run
    before = seen;
    await new Promise((done) => setTimeout(done, 200));
  }
  await run(WARM_UP);
  console.log('peer begin');
  let begin = performance.now();
  await run(jobCount);
  console.log(`peer end ${(performance.now() - begin) / 1000}`);
  for (let i = 0; i < tripCount; ++i) {
    begin = performance.now();
    const one = untilSeen(1);
    await queue.add('nothing', { parameters: PARAMETERS });
    await one;
    console.log(`peer trip ${performance.now() - begin}`);
  }
  console.log('peer done');
}

(part === 'worker' ? work() : measure(Number(jobs), Number(trips))).catch((error) => {
  console.error(error);
  process.exit(1);
});
