// A stack of JavaScript functions, blocked in Atomics.wait on the main thread.
//
//   node [--no-opt ...] javascript.js ROUNDS
//
// Calls the same functions ROUNDS times before, so that they are compiled as far as node's flags allow. Prints node's own
// trace, innermost first: `trace FUNCTION|FUNCTION|...`, then `ready pid=N`, and blocks for ever.
'use strict';
Error.stackTraceLimit = Infinity;
const cell = new Int32Array(new SharedArrayBuffer(4));
let trace = null;

function work(n) {
  let sum = 0;
  for (let i = 0; i < n; i++) sum += i % 7;
  return sum;
}
function inner(timeout) {
  // Only the first time, so that nothing is new to the compiled code when it counts.
  if (trace === null) trace = new Error().stack;
  work(100);
  return Atomics.wait(cell, 0, 0, timeout).length;
}
function middle(depth, timeout) {
  return depth ? middle(depth - 1, timeout) + 1 : inner(timeout);
}
// All calls come from one place, so that the trace of the first one is that of the last.
const rounds = Number(process.argv[2]);
for (let i = 0; i <= rounds; i++) {
  if (i === rounds) {
    const names = trace.split('\n').slice(1).map((line) => line.trim().split(' ')[1]);
    console.log('trace ' + names.join('|'));
    console.log('ready pid=' + process.pid);
  }
  middle(5, i === rounds ? 1e9 : 0.001);
}
