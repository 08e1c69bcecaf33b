// Loaded before kinesis-mock, which listens on every address and at fixed ports: it gets this machine's own address and a free port, says
// which, and ends with whoever started it.
const net = require('node:net');

const plainPort = Number(process.env.KINESIS_MOCK_PLAIN_PORT);
const { listen } = net.Server.prototype;

net.Server.prototype.listen = function listenOnLoopback(first, ...rest) {
  const port = typeof first === 'object' ? first.port : first;
  const callback = rest.find((value) => typeof value === 'function');
  return listen.call(this, { port: 0, host: '127.0.0.1' }, () => {
    if (Number(port) === plainPort) process.stdout.write(`listening on http://127.0.0.1:${this.address().port}\n`);
    callback?.();
  });
};

process.stdin.on('end', () => process.exit()).resume();
