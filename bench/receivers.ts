import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A process of its own: receivers on one port, as many as there are paths. What they do is the first part of the path: ok, fail or hang. */
const server = createServer((request, response) => {
  const [, behaviour] = (request.url ?? '').split('/');
  request.resume();
  request.on('end', () => {
    if (behaviour === 'hang') return;
    response.writeHead(behaviour === 'ok' ? 204 : 503).end();
  });
});
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
