// npm install hono @hono/node-server standardwebhooks
import { serve } from '@hono/node-server';
import { Hono } from 'hono';
import { Webhook } from 'standardwebhooks';
import { Inbox } from './inbox.ts';

const { TAPELINE_WEBHOOK_SECRET = '', PORT = '8787' } = process.env;
const webhook = new Webhook(TAPELINE_WEBHOOK_SECRET);
const inbox = new Inbox('inbox.sqlite', ({ data }) => console.log(`${data.side} ${data.symbol} at ${data.price} (${data.strategy})`));

const app = new Hono();
app.post('/hooks', async (context) => {
  // The bytes as they came: JSON that was parsed and written again has another signature.
  const body = await context.req.text();
  let payload: unknown;
  try {
    payload = webhook.verify(body, context.req.header());
  } catch {
    return context.text('not signed with our secret, changed, or too old', 401);
  }
  inbox.take(payload);
  return context.body(null, 204);
});

serve({ fetch: app.fetch, hostname: '127.0.0.1', port: Number(PORT) }, ({ port }) =>
  console.log(`listening at http://127.0.0.1:${port}/hooks`),
);
