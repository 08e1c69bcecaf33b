import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Within the 15 s of an attempt. */
const slowMs = 10_000;

/** A process of its own: receivers on one port, as many as there are paths. What they do is the first part of the path: ok, slow, fail or hang. */
const server = createServer((request, response) => {
  const [, behaviour] = (request.url ?? '').split('/');
  request.resume();
  request.on('end', () => {
    if (behaviour === 'hang') return;
    const answer = () => response.writeHead(behaviour === 'fail' ? 503 : 204).end();
    if (behaviour === 'slow') setTimeout(answer, slowMs);
    else answer();
  });
});
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
