// The function process of one Lambda environment: loads the handler, then asks the Lambda Runtime API for one
// invocation after another, as the managed Node runtime does.
import { existsSync } from 'node:fs';
// By its name, so that a handler that traces its own calls, and patches the module or watches fetch, does not trace ours.
import { request } from 'node:http';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { format } from 'node:util';

const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(':');
const isJsonLog = process.env.AWS_LAMBDA_LOG_FORMAT === 'JSON';
let requestId = '';

for (const level of ['log', 'debug', 'info', 'warn', 'error', 'trace']) {
  console[level] = (...values) => {
    const timestamp = new Date().toISOString();
    const name = level === 'log' ? 'INFO' : level.toUpperCase();
    const message = values.length === 1 && isJsonLog && typeof values[0] === 'object' ? values[0] : format(...values);
    process.stdout.write(
      isJsonLog
        ? `${JSON.stringify({ timestamp, level: name, requestId, message })}\n`
        : `${timestamp}\t${requestId}\t${name}\t${message}\n`,
    );
  };
}

process.on('unhandledRejection', async (reason) => {
  if (requestId) await post(`/invocation/${requestId}/error`, describe(reason, 'Runtime.UnhandledPromiseRejection'));
  process.exit(128);
});
process.on('uncaughtException', async (error) => {
  if (requestId) await post(`/invocation/${requestId}/error`, describe(error));
  process.exit(129);
});

let handler;
try {
  handler = await load(process.env._HANDLER);
} catch (error) {
  process.stderr.write(`${error?.stack ?? error}\n`);
  await post('/init/error', describe(error));
  process.exit(1);
}

for (;;) {
  const { headers, body } = await call('GET', '/invocation/next');
  const event = JSON.parse(body);
  requestId = headers['lambda-runtime-aws-request-id'];
  process.env._X_AMZN_TRACE_ID = headers['lambda-runtime-trace-id'];
  try {
    const result = await handler(event, contextOf(headers));
    await post(`/invocation/${requestId}/response`, JSON.stringify(result ?? null));
  } catch (error) {
    console.error('Invoke Error', error);
    await post(`/invocation/${requestId}/error`, describe(error));
  }
}

/** Finds `dir/file.name` (or `file.a.b` for a nested export) below the task root, in .js, .mjs or .cjs. */
async function load(specification) {
  const directory = path.dirname(specification);
  const [module, ...names] = path.basename(specification).split('.');
  const base = path.resolve(process.env.LAMBDA_TASK_ROOT, directory, module);
  const file = ['', '.js', '.mjs', '.cjs'].map((extension) => base + extension).find((name) => name !== base && existsSync(name));
  if (!file) throw failure('Runtime.ImportModuleError', `Error: Cannot find module '${module}'`);
  const loaded = await import(pathToFileURL(file).href);
  const found = [loaded, loaded.default].map((root) => names.reduce((value, name) => value?.[name], root)).find(Boolean);
  if (!found) throw failure('Runtime.HandlerNotFound', `${specification} is undefined or not exported`);
  if (typeof found !== 'function') throw failure('Runtime.HandlerNotFound', `${specification} is not a function`);
  // The managed runtime of Node 24 dropped callbacks too; better to learn of it here.
  if (found.length >= 3) throw failure('Runtime.CallbackHandlerDeprecated', `${specification} takes a callback; use an async function`);
  return found;
}

function contextOf(headers) {
  const deadlineMs = Number(headers['lambda-runtime-deadline-ms']);
  const { env } = process;
  return {
    awsRequestId: requestId,
    invokedFunctionArn: headers['lambda-runtime-invoked-function-arn'],
    functionName: env.AWS_LAMBDA_FUNCTION_NAME,
    functionVersion: env.AWS_LAMBDA_FUNCTION_VERSION,
    memoryLimitInMB: env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: env.AWS_LAMBDA_LOG_STREAM_NAME,
    callbackWaitsForEmptyEventLoop: true,
    getRemainingTimeInMillis: () => deadlineMs - Date.now(),
  };
}

function failure(name, message) {
  return Object.assign(new Error(message), { name });
}

function describe(error, errorType = error?.name ?? typeof error) {
  return JSON.stringify({ errorType, errorMessage: String(error?.message ?? error), trace: error?.stack?.split('\n') ?? [] });
}

function post(route, body) {
  return call('POST', route, body);
}

function call(method, route, content = '') {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(content) };
    const sent = request({ host, port, method, path: `/2018-06-01/runtime${route}`, headers }, async (response) => {
      let body = '';
      for await (const chunk of response.setEncoding('utf8')) body += chunk;
      resolve({ headers: response.headers, body });
    });
    sent.on('error', reject).end(content);
  });
}
