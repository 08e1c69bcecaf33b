/**
 * What a trade may touch, by its sale conditions, as the consolidated tapes (CTA and UTP) rule it per field. Several conditions combine
 * with AND: a field is touched only if every condition allows it.
 *
 * | conditions | high/low | last (open, close) | volume |
 * |---|---|---|---|
 * | none, `@` regular, `F` intermarket sweep, `O` opening, `6` closing, `5` reopening, `X` cross, `E` automatic, `L` sold last, … | yes | yes | yes |
 * | `I` odd lot, `T` form T, `U` extended hours out of sequence, `W` average price, `B` bunched average, `C` cash, `N` next day, `R` seller, `V` contingent, `7` qualified contingent, `H` price variation | | | yes |
 * | `Z` sold out of sequence, `P` prior reference, `4` derivatively priced, `G` bunched sold | yes | | yes |
 * | `M` official close, `Q` official open, `9` corrected close | | | |
 *
 * `all` ignores conditions. `sip+extended` treats form T (`T`) as regular, so that pre- and post-market trades make prices.
 * @see CTA and UTP Participant/Vendor specifications, "Sale condition processing guidelines"
 */
export type ConditionProfile = 'all' | 'sip' | 'sip+extended';
export const conditionProfiles: readonly ConditionProfile[] = ['all', 'sip', 'sip+extended'];

export const touchesHighLow = 1;
export const touchesLast = 2;
export const touchesVolume = 4;
export const touchesAll = touchesHighLow | touchesLast | touchesVolume;

/** Bits of what a trade with these conditions touches; 0 for a print that is no trade of its own. An unknown code touches all. */
export function touchesOf(conditions: readonly string[], profile: ConditionProfile): number {
  if (profile === 'all') return touchesAll;
  let touches = touchesAll;
  for (const condition of conditions) {
    if (profile === 'sip+extended' && condition === 'T') continue;
    touches &= touchesByCondition.get(condition) ?? touchesAll;
  }
  return touches;
}

const touchesByCondition = new Map<string, number>([
  ...['I', 'T', 'U', 'W', 'B', 'C', 'N', 'R', 'V', '7', 'H'].map((code) => [code, touchesVolume] as const),
  ...['Z', 'P', '4', 'G'].map((code) => [code, touchesHighLow | touchesVolume] as const),
  ...['M', 'Q', '9'].map((code) => [code, 0] as const),
]);
