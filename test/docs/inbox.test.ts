import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { Inbox } from '../../docs/receive/inbox.ts';

it('the inbox acts on an event whenever it comes, also just when all before it is done', async () => {
  for (let steps = 0; steps < 20; steps++) {
    const acted: string[] = [];
    const inbox = new Inbox(':memory:', async ({ id }) => {
      acted.push(id);
      if (id === 'first') takeLater();
    });
    const takeLater = async () => {
      for (let step = 0; step < steps; step++) await undefined;
      inbox.take({ id: 'second', type: 'tapeline.signal.v1', subject: 'IBM' });
    };
    inbox.take({ id: 'first', type: 'tapeline.signal.v1', subject: 'IBM' });
    await nextTurn();
    expect(acted, `after ${steps} steps`).toEqual(['first', 'second']);
  }
});
