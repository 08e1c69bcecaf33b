// Stands between LocalStack and one function process, as the init of a Lambda environment does: it serves the Lambda
// Runtime API to the function, takes invocations from LocalStack, keeps the time limit and restarts a dead function.
// Started by the executor with no arguments; prints the port for invocations as its only line on stdout.
import { spawn } from 'node:child_process';
import http from 'node:http';
import { fileURLToPath } from 'node:url';

const localstack = process.env.LOCALSTACK_RUNTIME_ENDPOINT;
const executorId = process.env.LOCALSTACK_RUNTIME_ID;
const timeoutSec = Number(process.env.AWS_LAMBDA_FUNCTION_TIMEOUT ?? 3);
const memoryMb = Number(process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE ?? 128);
const payloadMaxBytes = Number(process.env.LOCALSTACK_MAX_PAYLOAD_SIZE ?? 6 * 1024 * 1024 + 100);
const runtimeFile = fileURLToPath(new URL('runtime.mjs', import.meta.url));

let output = '';
let isReady = false;
let isEnded = false;
let waiting; // the response object of a pending GET /invocation/next
let current; // the invocation in progress
let child;
const queue = [];

const runtimeApi = http.createServer(async (request, response) => {
  const path = request.url.replace('/2018-06-01/runtime', '');
  if (request.method === 'GET' && path === '/invocation/next') {
    waiting = response;
    if (!isReady) {
      isReady = true;
      await post(`/status/${executorId}/ready`, '');
    }
    return handOver();
  }
  const body = await read(request);
  response.writeHead(202, { 'content-type': 'application/json' }).end('{"status":"OK"}');
  if (path === '/init/error') return initFailed(body);
  const [, id, kind] = path.match(/^\/invocation\/([^/]+)\/(response|error)$/) ?? [];
  if (current?.id === id) await settle(kind, body);
});

const invocations = http.createServer(async (request, response) => {
  queue.push(JSON.parse(await read(request)));
  response.end('OK');
  handOver();
});

runtimeApi.listen(0, '127.0.0.1', () => {
  startFunction();
  invocations.listen(0, '127.0.0.1', () => console.log(invocations.address().port));
});

// LocalStack holds our stdin open for as long as it lives.
process.stdin.resume().on('end', () => process.kill(-process.pid, 'SIGKILL'));

function startFunction() {
  const env = { ...process.env, AWS_LAMBDA_RUNTIME_API: `127.0.0.1:${runtimeApi.address().port}` };
  for (const name of Object.keys(env)) if (name.startsWith('LOCALSTACK_') && name !== 'LOCALSTACK_HOSTNAME') delete env[name];
  const started = spawn(process.execPath, [`--max-old-space-size=${Math.floor(memoryMb * 0.9)}`, runtimeFile], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  child = started;
  for (const stream of [started.stdout, started.stderr]) {
    stream.on('data', (chunk) => {
      output += chunk;
      process.stderr.write(chunk);
    });
  }
  // 'close' and not 'exit': the last lines of the function come before its end.
  started.on('close', (code, signal) => {
    if (started === child) functionEnded(signal ? `signal: ${signal}` : `exit status ${code}`);
  });
}

async function functionEnded(reason) {
  const failure = { errorType: 'Runtime.ExitError', errorMessage: `Error: Runtime exited with error: ${reason}` };
  if (!isReady) return initFailed(JSON.stringify(failure));
  waiting = undefined;
  if (current) {
    failure.errorMessage = `RequestId: ${current.id} ${failure.errorMessage}`;
    await settle('error', JSON.stringify(failure));
  }
  startFunction();
}

async function timedOut() {
  const failure = {
    errorType: 'Sandbox.Timedout',
    errorMessage: `RequestId: ${current.id} Error: Task timed out after ${timeoutSec.toFixed(2)} seconds`,
  };
  const killed = child;
  child = undefined;
  killed.kill('SIGKILL');
  output += `${new Date().toISOString()} ${current.id} Task timed out after ${timeoutSec.toFixed(2)} seconds\n`;
  await settle('error', JSON.stringify(failure));
  startFunction();
}

function handOver() {
  if (!waiting || current || queue.length === 0) return;
  const next = queue.shift();
  const response = waiting;
  waiting = undefined;
  current = { id: next['invoke-id'], startedMs: performance.now(), timer: setTimeout(timedOut, timeoutSec * 1000) };
  output += `START RequestId: ${current.id} Version: ${process.env.AWS_LAMBDA_FUNCTION_VERSION ?? '$LATEST'}\n`;
  response.writeHead(200, {
    'content-type': 'application/json',
    'lambda-runtime-aws-request-id': current.id,
    'lambda-runtime-deadline-ms': String(Date.now() + timeoutSec * 1000),
    'lambda-runtime-invoked-function-arn': next['invoked-function-arn'],
    'lambda-runtime-trace-id': next['trace-id'] ?? '',
  });
  response.end(next.payload);
}

/** Reports one result to LocalStack: logs first, because LocalStack reads them when the result comes. */
async function settle(kind, body) {
  const { id, startedMs, timer } = current;
  clearTimeout(timer);
  if (body.length > payloadMaxBytes) {
    kind = 'error';
    body = JSON.stringify({
      errorType: 'Function.ResponseSizeTooLarge',
      errorMessage: `Response payload size exceeded maximum allowed payload size (${payloadMaxBytes} bytes).`,
    });
  }
  await new Promise((resolve) => setImmediate(resolve)); // lines that the function has already written
  const durationMs = performance.now() - startedMs;
  output += `END RequestId: ${id}\nREPORT RequestId: ${id}\tDuration: ${durationMs.toFixed(2)} ms\tBilled Duration: ${Math.ceil(durationMs)} ms\tMemory Size: ${memoryMb} MB\tMax Memory Used: ${memoryMb} MB\t\n`;
  const logs = output;
  output = '';
  await post(`/invocations/${id}/logs`, JSON.stringify({ logs }));
  current = undefined;
  await post(`/invocations/${id}/${kind}`, body);
  handOver();
}

async function initFailed(body) {
  if (isReady || isEnded) return;
  isEnded = true;
  await post(`/status/${executorId}/error`, body);
}

async function post(path, body) {
  try {
    await fetch(localstack + path, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
  } catch (error) {
    console.error(`could not reach LocalStack at "${path}": ${error.message}`);
  }
}

async function read(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}
