import type { Redacted } from "effect"
import type { ArrayParam } from "./arrays.ts"

/** What is bound to a placeholder. */
export type Param = string | number | bigint | boolean | null | Uint8Array | ArrayParam

/** A row of our own statements: text and bytes as such, numbers as numbers or as text. */
export type Row = ReadonlyArray<string | number | bigint | boolean | Uint8Array | null>

/** A statement of a user: columns by name, values as JavaScript has them. */
export type NamedRow = Readonly<Record<string, unknown>>

/** One session on a server, which does one thing at a time. What fails rejects with what the driver says. */
export interface Connection {
  readonly query: (text: string, params: ReadonlyArray<Param>) => Promise<ReadonlyArray<Row>>
  readonly named: (text: string, params: ReadonlyArray<Param>) => Promise<ReadonlyArray<NamedRow>>
  /** Calls back for each notification of a channel; only on a connection that is used for nothing else. */
  readonly listen: (channel: string, heard: (payload: string) => void) => Promise<void>
  readonly isOpen: () => boolean
  /** Called once when it ends without having been told to. */
  readonly onLost: (lost: () => void) => void
  /** Ends it in good order, as far as that goes quickly. */
  readonly close: () => Promise<void>
  /** Ends it at once; what is under way fails. */
  readonly destroy: () => void
}

/** Where and how to connect. */
export interface Address {
  readonly host: string
  readonly port: number
  readonly database: string
  readonly user: string
  readonly password: Redacted.Redacted<string> | undefined
  readonly tls: boolean | Tls
  readonly applicationName: string
  /** Whether statements are prepared by name once for each connection. */
  readonly prepare: boolean
  /** In milliseconds. */
  readonly connectTimeout: number
}

/** What TLS is made with, each certificate and key in PEM. */
export interface Tls {
  readonly ca?: string | undefined
  readonly cert?: string | undefined
  readonly key?: Redacted.Redacted<string> | undefined
  /** The name that the certificate has to be for. Default: the host. */
  readonly servername?: string | undefined
  /** `false` accepts any certificate, and with it anybody in between. Default: true. */
  readonly rejectUnauthorized?: boolean | undefined
}
