import { type NetConnectOpts, Socket } from 'node:net';

const connect = Socket.prototype.connect;
const isLoopback = (host: string) => host === 'localhost' || host === '::1' || host.startsWith('127.');

/** Tests reach this machine only: a test that needs the world is no test of ours. */
Socket.prototype.connect = function (this: Socket, ...args: unknown[]): Socket {
  const host = hostOf(args);
  if (host !== undefined && !isLoopback(host)) throw new Error(`tests may only connect to this machine, not to "${host}"`);
  return Reflect.apply(connect, this, args);
} as typeof connect;

function hostOf(args: unknown[]): string | undefined {
  // Node's own callers hand the arguments over as one list.
  const [first, second] = Array.isArray(args[0]) ? (args[0] as unknown[]) : args;
  if (typeof first === 'object' && first !== null) return (first as Partial<NetConnectOpts> & { host?: string }).host;
  return typeof first === 'number' && typeof second === 'string' ? second : undefined;
}
