import { chatText } from './chat-text.ts';
import type { Post } from './http-sender.ts';
import { SecretError } from './standard-webhooks.ts';

/** @see https://core.telegram.org/bots/api#sendmessage */
const charactersMax = 4_096;

/** A bot's message to a chat, as plain text, which has no markup that a text could begin. @throws SecretError */
export function telegramPost(
  lines: readonly string[],
  { token, chatId, apiUrl }: { readonly token: string; readonly chatId: string; readonly apiUrl: string },
): Post {
  if (!/^\d+:[\w-]+$/.test(token))
    throw new SecretError('a bot\'s token must be a number, ":" and letters, as BotFather gives it, received something else');
  const text = chatText(lines, { charactersMax });
  const body = { chat_id: chatId, text, link_preview_options: { is_disabled: true } };
  return { url: `${apiUrl}/bot${token}/sendMessage`, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
}
