/**
 * Node's `http`, which each bundle has in place of `node:http`. To import a module of Node evaluates all that it exports; of this one that is
 * `WebSocket` too, for which it loads the whole of undici: a quarter of a function's load. To take it as CommonJS does evaluates nothing.
 */
const http = process.getBuiltinModule('node:http');

export default http;
export const { Agent, request } = http;
