import { chatText } from './chat-text.ts';
import type { Post } from './http-sender.ts';

/** @see https://docs.slack.dev/messaging/formatting-message-text (4,000 characters are shown whole) */
const charactersMax = 4_000;

/** A message to a channel by its incoming webhook. */
export function slackPost(lines: readonly string[], url: string): Post {
  const text = chatText(lines, { charactersMax, escaped });
  const body = { text, mrkdwn: false, unfurl_links: false, unfurl_media: false };
  return { url, headers: { 'content-type': 'application/json; charset=utf-8' }, body: JSON.stringify(body) };
}

/** These three begin mentions, links and entities. */
function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
