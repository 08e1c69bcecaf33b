import { chatText } from './chat-text.ts';
import type { Post } from './http-sender.ts';

/** @see https://docs.discord.com/developers/resources/webhook#execute-webhook */
const charactersMax = 2_000;
const suppressEmbeds = 4;

/** A message to a channel by its webhook; it notifies nobody by name. */
export function discordPost(lines: readonly string[], url: string): Post {
  const content = chatText(lines, { charactersMax, escaped });
  const body = { content, allowed_mentions: { parse: [] }, flags: suppressEmbeds };
  return { url, headers: { 'content-type': 'application/json; charset=utf-8' }, body: JSON.stringify(body) };
}

/** Markdown, mentions, emoji. */
function escaped(text: string): string {
  return text.replace(/[\\*_~`|>#[\]()<@:-]/g, '\\$&');
}
