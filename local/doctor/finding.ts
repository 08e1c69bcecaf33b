import type { Asked } from '../../adapters/account/ask.ts';

/** One thing that was looked at, in one line. `todo` says what to do where something is not as it should be. */
export type Finding = {
  readonly part: 'before' | 'after';
  readonly check: string;
  readonly verdict: Verdict;
  readonly says: string;
  readonly todo?: string;
};

/** `unknown`: it could not be looked at, for lack of a permission or of an answer. */
export type Verdict = 'ok' | 'warn' | 'fail' | 'unknown';

export type Said = Omit<Finding, 'part' | 'check'>;

export const ok = (says: string): Said => ({ verdict: 'ok', says });
export const warn = (says: string, todo: string): Said => ({ verdict: 'warn', says, todo });
export const fail = (says: string, todo: string): Said => ({ verdict: 'fail', says, todo });
export const unknown = (says: string, todo?: string): Said => ({ verdict: 'unknown', says, ...(todo !== undefined && { todo }) });

/** What follows from the answer; without one, why nothing follows. */
export function judged<T>(asked: Asked<T>, judge: (answer: T) => Said, absent?: () => Said): Said {
  switch (asked.kind) {
    case 'answer':
      return judge(asked.answer);
    case 'absent':
      return absent === undefined ? unknown('cannot tell: there is none') : absent();
    case 'denied':
      return unknown(`cannot tell: needs ${asked.action}`, `allow ${asked.action}, or ask somebody who may`);
    case 'failed':
      return unknown(`cannot tell: ${asked.name}: ${asked.message}`);
  }
}
