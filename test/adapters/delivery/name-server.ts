import { createSocket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { once } from 'node:events';

/** A DNS server of this machine whose every answer for a name is the next of its list, over and over: a name that changes its mind. */
export async function startNameServer(answers: Readonly<Record<string, readonly (readonly string[])[]>>) {
  const socket = createSocket('udp4');
  const asked: Record<string, number> = {};
  socket.on('message', (query, { port, address }) => {
    const labels: string[] = [];
    let at = 12;
    for (let length = query[at] as number; length > 0; length = query[at] as number) {
      labels.push(query.toString('latin1', at + 1, at + 1 + length));
      at += 1 + length;
    }
    const name = labels.join('.').toLowerCase();
    const isIpv4 = query.readUInt16BE(at + 1) === 1;
    const turns = answers[name] ?? [];
    const count = asked[name] ?? 0;
    if (isIpv4) asked[name] = count + 1;
    const addresses = isIpv4 ? (turns[count % turns.length] ?? []) : [];
    const header = Buffer.alloc(12);
    query.copy(header, 0, 0, 2);
    header.writeUInt16BE(turns.length > 0 ? 0x8180 : 0x8183, 2);
    header.writeUInt16BE(1, 4);
    header.writeUInt16BE(addresses.length, 6);
    const records = addresses.map((ip) => Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, ...ip.split('.').map(Number)]));
    socket.send(Buffer.concat([header, query.subarray(12, at + 5), ...records]), port, address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const resolver = new Resolver({ timeout: 1_000, tries: 1 });
  resolver.setServers([`127.0.0.1:${socket.address().port}`]);
  return {
    resolve: (hostname: string) => resolver.resolve4(hostname),
    asked: (name: string) => asked[name] ?? 0,
    close: () => socket.close(),
  };
}
