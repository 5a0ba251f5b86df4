// node at work: child processes of all kinds, worker threads, a cluster, streams, signals, timers, compression, cryptography in its pool of
// threads. Prints the same each time. Runs in an empty directory.
'use strict';
const { spawn, spawnSync, exec, execFile, fork, execSync } = require('child_process');
const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');
const { promisify } = require('util');
const cluster = require('cluster'), crypto = require('crypto'), fs = require('fs'), http = require('http'), net = require('net'), zlib = require('zlib'), os = require('os');
const { pipeline } = require('stream/promises');
const { once } = require('events');

const say = (...words) => fs.writeSync(1, words.join(' ') + '\n');
const sha = (bytes) => crypto.createHash('sha1').update(bytes).digest('hex');

if (!isMainThread) {
  const shared = new Int32Array(workerData.shared);
  for (let i = 0; i < 1000; i++) Atomics.add(shared, 0, 1);
  if (workerData.fails) throw new Error('a worker that fails');
  parentPort.postMessage({ square: workerData.n * workerData.n });
} else if (process.argv[2] === 'child') {
  process.on('message', (message) => { process.send({ answer: message.question * 2 }); if (message.last) process.disconnect(); });
} else if (cluster.isWorker) {
  http.createServer((request, response) => response.end('worker')).listen('cluster');
} else main().then(() => say('end'), (error) => { say('failed', error.stack); process.exitCode = 1; });

async function main() {
  say('== children');
  say(JSON.stringify((({ status, signal, stdout, stderr }) => ({ status, signal, out: String(stdout), err: String(stderr) }))(spawnSync('sh', ['-c', 'cat; echo error >&2; exit 7'], { input: 'in' }))));
  const killed = spawn('sleep', ['100']); killed.kill('SIGTERM'); say(...(await once(killed, 'exit')));
  const { stdout } = await promisify(exec)('seq 1 100000 | tail -n 1'); say(stdout.trim());
  await promisify(execFile)('no-such-program').catch((error) => say(error.code));
  say(spawnSync('sleep', ['10'], { timeout: 50 }).error.code);
  try { execSync('exit 3', { stdio: 'ignore' }); } catch (error) { say('status', error.status); }
  const many = await Promise.all([...Array(40).keys()].map((n) => once(spawn('sh', ['-c', `exit ${n}`], { stdio: 'ignore' }), 'exit'))); say(many.map(([code]) => code).join(' '));
  const extra = spawn('sh', ['-c', 'echo three >&3; read x <&4; echo "$x" >&3'], { stdio: ['ignore', 'inherit', 'inherit', 'pipe', 'pipe'] });
  let three = ''; extra.stdio[3].on('data', (data) => { three += data; }); extra.stdio[4].end('four\n'); await once(extra, 'close'); say(JSON.stringify(three));
  const child = fork(__filename, ['child']); let sum = 0; child.on('message', ({ answer }) => { sum += answer; });
  for (let i = 1; i <= 50; i++) child.send({ question: i, last: i === 50 }); say('forked', ...(await once(child, 'exit')), sum);
  const detached = spawn('sh', ['-c', 'echo detached >detached'], { detached: true, stdio: 'ignore' }); await once(detached, 'exit'); say(fs.readFileSync('detached', 'utf8').trim());

  say('== threads');
  const shared = new SharedArrayBuffer(4);
  const squares = await Promise.all([...Array(8).keys()].map(async (n) => (await once(new Worker(__filename, { workerData: { n, shared } }), 'message'))[0].square));
  say(squares.join(' '), new Int32Array(shared)[0]);
  const [error] = await once(new Worker(__filename, { workerData: { n: 0, shared, fails: true } }), 'error'); say(error.message);
  const stopped = new Worker('for (;;);', { eval: true }); await once(stopped, 'online'); say('stopped', await stopped.terminate());
  const keys = await Promise.all([...Array(16).keys()].map((n) => promisify(crypto.pbkdf2)(`password ${n}`, 'salt', 2000, 32, 'sha512'))); say(sha(Buffer.concat(keys)));

  say('== files');
  const data = Buffer.from([...Array(300000).keys()].map((n) => n % 251)); fs.writeFileSync('data', data);
  await pipeline(fs.createReadStream('data', { highWaterMark: 4096 }), zlib.createGzip(), fs.createWriteStream('data.gz'));
  await pipeline(fs.createReadStream('data.gz'), zlib.createGunzip(), fs.createWriteStream('data.out')); say(sha(fs.readFileSync('data.out')) === sha(data));
  await Promise.all([...Array(100).keys()].map((n) => fs.promises.writeFile(`file${n}`, String(n)))); say(fs.readdirSync('.').length);
  await Promise.all([...Array(100).keys()].map((n) => fs.promises.unlink(`file${n}`)));
  const watcher = fs.watch('.', { persistent: true }); const seen = once(watcher, 'change'); fs.writeFileSync('watched', ''); say('watched', (await seen)[1]); watcher.close();
  const handles = []; for (let i = 0; i < 400; i++) handles.push(fs.openSync('data')); say('open', new Set(handles).size); handles.forEach((handle) => fs.closeSync(handle));

  say('== network');
  const server = http.createServer((request, response) => { let size = 0; request.on('data', (part) => { size += part.length; }).on('end', () => response.end(`${request.method} ${size}`)); }).listen('door');
  await once(server, 'listening');
  const ask = (path, body) => new Promise((resolve, reject) => { const request = http.request({ socketPath: path, method: 'POST', agent: false }, (response) => { let text = ''; response.on('data', (part) => { text += part; }).on('end', () => resolve(text)); }); request.on('error', reject); request.end(body); });
  say((await Promise.all([...Array(50).keys()].map((n) => ask('door', Buffer.alloc(n * 1000))))).sort().join(',').length); server.close();
  const [a] = await Promise.all([once(net.createServer((socket) => socket.pipe(socket)).listen('echo'), 'listening')]); void a;
  const echo = net.connect('echo'); echo.write('echoed'); say(String((await once(echo, 'data'))[0])); echo.destroy();
  cluster.setupPrimary({ exec: __filename });
  const workers = [cluster.fork(), cluster.fork()]; await Promise.all(workers.map((worker) => once(worker, 'listening')));
  say((await Promise.all([...Array(20).keys()].map(() => ask('cluster', '')))).every((text) => text === 'worker'));
  workers[0].process.kill('SIGKILL'); say('cluster', (await once(workers[0], 'exit')).join(' ')); workers[1].disconnect(); await once(workers[1], 'exit');

  say('== signals and timers');
  for (const name of ['SIGUSR2', 'SIGHUP', 'SIGURG', 'SIGWINCH', 'SIGALRM', 'SIGTERM', 'SIGINT']) { const heard = once(process, name); process.kill(process.pid, name); say((await heard)[0]); }
  const order = []; setTimeout(() => order.push('late'), 30); setTimeout(() => order.push('soon'), 1); setImmediate(() => order.push('immediate')); process.nextTick(() => order.push('next')); await new Promise((resolve) => setTimeout(resolve, 60)); say(order.filter((word) => word !== 'immediate').join(' '));
  let ticks = 0; await new Promise((resolve) => { const timer = setInterval(() => { if (++ticks === 20) { clearInterval(timer); resolve(); } }, 2); }); say('ticks', ticks);
  say('memory', Buffer.alloc(50e6).length, [...Array(50).keys()].map(() => new Array(1e4).fill({})).length, os.constants.signals.SIGKILL);
  say(spawnSync(process.execPath, ['-e', 'process.kill(process.pid, "SIGABRT"); setTimeout(() => {}, 1000)']).signal, spawnSync(process.execPath, ['-e', 'null.x'], { stdio: 'ignore' }).status, spawnSync(process.execPath, ['-e', 'process.exitCode = 9']).status);
  process.exit(4);
}
