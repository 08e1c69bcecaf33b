// npm install express standardwebhooks
import type { AddressInfo } from 'node:net';
import express from 'express';
import { Webhook } from 'standardwebhooks';
import { Inbox } from './inbox.ts';

const { TAPELINE_WEBHOOK_SECRET = '', PORT = '8787' } = process.env;
const webhook = new Webhook(TAPELINE_WEBHOOK_SECRET);
const inbox = new Inbox('inbox.sqlite', ({ data }) => console.log(`${data.side} ${data.symbol} at ${data.price} (${data.strategy})`));

const app = express();
// The bytes as they came: JSON that was parsed and written again has another signature.
app.post('/hooks', express.raw({ type: () => true, limit: '1mb' }), (request, response) => {
  let payload: unknown;
  try {
    payload = webhook.verify(request.body, request.headers as Record<string, string>);
  } catch {
    response.status(401).send('not signed with our secret, changed, or too old');
    return;
  }
  inbox.take(payload);
  response.status(204).end();
});

const server = app.listen(Number(PORT), '127.0.0.1', () =>
  console.log(`listening at http://127.0.0.1:${(server.address() as AddressInfo).port}/hooks`),
);
