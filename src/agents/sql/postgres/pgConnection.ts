import { createHash } from "node:crypto"
import { checkServerIdentity } from "node:tls"
import { Redacted } from "effect"
import type Pg from "pg"
import { toBinary } from "./arrays.ts"
import type { Address, Connection, NamedRow, Param, Row } from "./connection.ts"

type Driver = typeof Pg

const bytea = 17

// Text as it comes: what these statements answer is converted by who asked, and JSON and dates by nobody.
const plainTypes: Pg.CustomTypesConfig = {
  getTypeParser: ((oid: number) => (oid === bytea ? parseBytes : identity)) as Pg.CustomTypesConfig["getTypeParser"]
}

const identity = (text: string): string => text

const parseBytes = (text: string): Uint8Array => Buffer.from(text.slice(2), "hex")

/** A connection through `pg`. */
export const connect = async (pg: Driver, address: Address): Promise<Connection> => {
  const { password } = address
  const client = new pg.Client({
    host: address.host,
    port: address.port,
    database: address.database,
    user: address.user,
    // As a function, so that no printed client shows it. An empty one keeps the driver from looking elsewhere.
    password: () => (password === undefined ? "" : Redacted.value(password)),
    ssl: toSsl(address),
    application_name: address.applicationName,
    keepAlive: true,
    connectionTimeoutMillis: address.connectTimeout
  })
  let isOpen = false
  let lost: (() => void) | undefined
  const end = () => {
    if (!isOpen) return
    isOpen = false
    lost?.()
  }
  // Without a listener an error of an idle connection would end the process.
  client.on("error", end)
  client.on("end", end)
  try {
    await client.connect()
  } catch (error) {
    client.end().catch(() => {})
    throw error
  }
  isOpen = true

  const prepared = new Map<string, string>()
  const nameOf = (text: string): string | undefined => {
    if (!address.prepare) return undefined
    const name = prepared.get(text) ?? `dgents_${createHash("sha256").update(text).digest("hex").slice(0, 24)}`
    prepared.set(text, name)
    return name
  }
  return {
    query: async (text, params): Promise<ReadonlyArray<Row>> => {
      const name = nameOf(text)
      const values = params.map(toValue)
      const config = {
        text,
        values,
        rowMode: "array" as const,
        types: plainTypes,
        ...(name === undefined ? {} : { name })
      }
      return (await client.query<Array<string | Uint8Array | null>>(config)).rows
    },
    named: async (text, params): Promise<ReadonlyArray<NamedRow>> => {
      // Extended, with or without parameters: then the server takes one statement and not several.
      const config = { text, values: params.map(toValue), types: namedTypes(pg), queryMode: "extended" }
      return (await client.query<Record<string, unknown>>(config)).rows
    },
    listen: async (channel, heard) => {
      client.on("notification", (message) => {
        if (message.channel === channel) heard(message.payload ?? "")
      })
      await client.query(`LISTEN "${channel}"`)
    },
    isOpen: () => isOpen,
    onLost: (callback) => {
      lost = callback
    },
    close: async () => {
      lost = undefined
      isOpen = false
      await client.end().catch(() => {})
    },
    destroy: () => {
      end()
      // `end` says good-bye and waits; there is nobody to wait for. Sound: a stream of Node is below it.
      const { stream } = client.connection as unknown as { readonly stream: { readonly destroy: () => void } }
      stream.destroy()
    }
  }
}

const toValue = (param: Param): unknown =>
  typeof param === "object" && param !== null && !(param instanceof Uint8Array) ? toBinary(param) : param

const toSsl = ({ host, tls }: Address): Pg.ClientConfig["ssl"] => {
  if (typeof tls === "boolean") return tls
  const { ca, cert, key, rejectUnauthorized = true, servername = host } = tls
  return {
    rejectUnauthorized,
    // The driver asks for the host by its name whatever `servername` says; what the certificate is for is checked here.
    checkServerIdentity: (_host, certificate) => checkServerIdentity(servername, certificate),
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key: Redacted.value(key) })
  }
}

const int8 = 20

/** Whole numbers as numbers where they are exact, else as bigint; all else as `pg` has it. */
const namedTypes = (pg: Driver): Pg.CustomTypesConfig => {
  // Sound: the driver calls it with text for columns in text, which all of ours are.
  const getTypeParser = ((oid: number, format?: "text") =>
    oid === int8 ? parseInt8 : pg.types.getTypeParser(oid, format ?? "text")) as Pg.CustomTypesConfig["getTypeParser"]
  return { getTypeParser }
}

const parseInt8 = (text: string): number | bigint => {
  const number = Number(text)
  return Number.isSafeInteger(number) ? number : BigInt(text)
}
