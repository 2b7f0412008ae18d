// Runs the client suites against a real server on the demo model:  node run.mjs FACET MODEL [PYTHON]
// Fails if a suite does, or if the server does not end with 0 after SIGTERM.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const [facet, model, python] = process.argv.slice(2);
const here = (name) => fileURLToPath(new URL(name, import.meta.url));

const server = spawn(facet, ['serve', '-m', model, '--port', '0'], { stdio: ['ignore', 'inherit', 'pipe'] });
const ended = new Promise((resolve) => server.on('exit', (code, signal) => resolve(code ?? signal)));
process.on('exit', () => server.kill('SIGKILL'));
setTimeout(() => { console.error('the clients took too long'); process.exit(1); }, 180_000).unref();

const url = await new Promise((resolve, reject) => {
  let said = '';
  server.stderr.on('data', (bytes) => {
    said += bytes;
    const found = /(http:\/\/\S+)\/v1/.exec(said);
    if (found) resolve(found[1]);
  });
  ended.then((code) => reject(new Error(`the server ended with ${code}: ${said}`)));
});

function suite(program, args) {
  return new Promise((resolve) => {
    const child = spawn(program, args, { stdio: 'inherit', env: { ...process.env, FACET_URL: url } });
    child.on('exit', (code) => resolve(code === 0));
    child.on('error', () => resolve(false));
  });
}

let good = await suite(process.execPath, ['--test', '--test-reporter=spec', here('clients.test.mjs')]);
if (python) good = (await suite(python, [here('clients_test.py')])) && good;
server.kill('SIGTERM');
const code = await ended;
if (code !== 0) console.error(`the server ended with ${code}`);
process.exit(good && code === 0 ? 0 : 1);
