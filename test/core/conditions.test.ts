import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { conditionProfiles, touchesAll, touchesHighLow, touchesLast, touchesOf, touchesVolume } from '../../core/conditions.ts';

const nothing = 0;
const highLowVolume = touchesHighLow | touchesVolume;

const table = [
  ...['@', 'F', 'O', '6', '5', 'X', 'E', 'L', 'unheard of'].map((code) => ({ code, sip: touchesAll })),
  ...['I', 'U', 'W', 'B', 'C', 'N', 'R', 'V', '7', 'H', 'T'].map((code) => ({ code, sip: touchesVolume })),
  ...['Z', 'P', '4', 'G'].map((code) => ({ code, sip: highLowVolume })),
  ...['M', 'Q', '9'].map((code) => ({ code, sip: nothing })),
];

describe('a sale condition', () => {
  it.each(table)('$code lets a trade touch $sip of high/low 1, last 2, volume 4', ({ code, sip }) => {
    expect(touchesOf([code], 'sip')).toBe(sip);
    expect(touchesOf([code], 'sip+extended')).toBe(code === 'T' ? touchesAll : sip);
    expect(touchesOf([code], 'all')).toBe(touchesAll);
  });

  it('never gives back what another takes: a field is touched when every condition lets it', () => {
    const codes = fc.array(fc.constantFrom(...table.map(({ code }) => code)), { maxLength: 6 });
    fc.assert(
      fc.property(codes, fc.constantFrom(...conditionProfiles), (conditions, profile) => {
        const each = conditions.map((condition) => touchesOf([condition], profile));
        expect(touchesOf(conditions, profile)).toBe(each.reduce((all, touches) => all & touches, touchesAll));
        expect(touchesOf(conditions.toReversed(), profile)).toBe(touchesOf(conditions, profile));
      }),
    );
  });

  it('is not there: a trade touches all', () => {
    for (const profile of conditionProfiles) expect(touchesOf([], profile)).toBe(touchesLast | highLowVolume);
  });
});
