import { ConfigError } from '../core/config.ts';

export type ServeAddress = {
  readonly host: string;
  /** 0 for any that is free. */
  readonly port: number;
  /** A web page's origin that may read too, such as `http://localhost:5173`. @default none: no CORS */
  readonly origin?: string | undefined;
};

/** The address of `--serve`: a port, or a host with a port. @throws ConfigError */
export function serveAddressOf(text: string, origin?: string): ServeAddress {
  const match = /^(?:(?<host>[\w.-]+|\[[0-9a-f:.]+\]):)?(?<port>\d{1,5})$/i.exec(text)?.groups;
  const port = Number(match?.['port']);
  if (match === undefined || port > 65_535) throw new ConfigError(`--serve must be such as "127.0.0.1:8080" or "8080", received "${text}"`);
  if (origin !== undefined && (!URL.canParse(origin) || new URL(origin).origin !== origin))
    throw new ConfigError(`--serve-origin must be the origin of a page, such as "http://localhost:5173", received "${origin}"`);
  return { host: match['host']?.replace(/^\[(.*)\]$/, '$1') ?? '127.0.0.1', port, origin };
}
