import { rootCertificates, setDefaultCACertificates } from 'node:tls';
import { generate } from 'selfsigned';

export type Certificate = { readonly key: string; readonly cert: string };

/** A certificate that signs itself, for names and addresses that are all of this machine. */
export async function certificateFor(...names: readonly string[]): Promise<Certificate> {
  const altNames = names.map((name) => (/^[\d.]+$/.test(name) ? { type: 7 as const, ip: name } : { type: 2 as const, value: name }));
  const { private: key, cert } = await generate([{ name: 'commonName', value: names[0] as string }], {
    keyType: 'ec',
    algorithm: 'sha256',
    extensions: [
      { name: 'basicConstraints', cA: true },
      { name: 'subjectAltName', altNames },
    ],
  });
  return { key, cert };
}

/** Lets this process trust it, as a company's own authority would be. */
export function trust({ cert }: Certificate): void {
  setDefaultCACertificates([...rootCertificates, cert]);
}
