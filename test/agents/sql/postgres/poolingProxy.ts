import { connect, createServer, type Socket } from "node:net"
import { Effect, type Scope } from "effect"

/** A proxy that hands out sessions by transaction, as PgBouncer does: a client finds another one after each. */
export interface PoolingProxy {
  readonly url: string
  /** How many transactions each session of the server has served. */
  readonly served: () => ReadonlyArray<number>
}

/** One message of the protocol after the startup: a byte of kind, and a length that counts itself. */
const messages = () => {
  let rest = Buffer.alloc(0)
  return function* (chunk: Buffer): Generator<Buffer> {
    rest = Buffer.concat([rest, chunk])
    while (rest.length >= 5 && rest.length > rest.readInt32BE(1)) {
      const end = 1 + rest.readInt32BE(1)
      yield rest.subarray(0, end)
      rest = rest.subarray(end)
    }
  }
}

const kind = (message: Buffer): string => String.fromCharCode(message[0] ?? 0)

const startup = (user: string, database: string): Buffer => {
  const body = Buffer.from(`user\0${user}\0database\0${database}\0\0`)
  const head = Buffer.alloc(8)
  head.writeInt32BE(8 + body.length, 0)
  head.writeInt32BE(196_608, 4)
  return Buffer.concat([head, body])
}

// AuthenticationOk, BackendKeyData, ReadyForQuery (idle).
const welcome = Buffer.from("520000000800000000" + "4b0000000c0000000100000002" + "5a0000000549", "hex")

interface Session {
  readonly socket: Socket
  client: Client | undefined
  served: number
}

interface Client {
  readonly socket: Socket
  session: Session | undefined
  readonly waiting: Array<Buffer>
}

/** A proxy of so many sessions before a server that trusts its users, until the scope closes. */
export const poolingProxy = (url: string, size: number): Effect.Effect<PoolingProxy, never, Scope.Scope> =>
  Effect.gen(function* () {
    const target = new URL(url)
    const sockets = new Set<Socket>()
    const keep = (socket: Socket) => {
      sockets.add(socket)
      // Small messages one after the other would wait for each other's arrival.
      socket.setNoDelay(true)
      socket.on("error", () => {})
      socket.on("close", () => sockets.delete(socket))
    }
    const free: Array<Session> = []
    const sessions: Array<Session> = []
    const queue: Array<Client> = []
    const assign = () => {
      while (free.length > 0 && queue.length > 0) {
        // The one that was used longest ago, so that who relies on its session meets another one.
        const [session, client] = [free.shift(), queue.shift()]
        if (session === undefined || client === undefined) return
        session.client = client
        client.session = session
        for (const message of client.waiting.splice(0)) session.socket.write(message)
      }
    }
    const openSession = () =>
      new Promise<void>((resolve) => {
        const socket = connect(Number(target.port), target.hostname)
        keep(socket)
        const session: Session = { socket, client: undefined, served: 0 }
        sessions.push(session)
        socket.once("connect", () => socket.write(startup(target.username, target.pathname.slice(1))))
        const read = messages()
        socket.on("data", (chunk) => {
          for (const message of read(chunk)) {
            session.client?.socket.write(message)
            // ReadyForQuery in no transaction: the session is anybody's.
            if (kind(message) !== "Z" || message[5] !== 0x49) continue
            if (session.client !== undefined) {
              session.client.session = undefined
              session.client = undefined
              session.served++
            }
            free.push(session)
            resolve()
            assign()
          }
        })
      })
    const server = createServer((socket) => {
      keep(socket)
      const client: Client = { socket, session: undefined, waiting: [] }
      let isStarted = false
      const read = messages()
      socket.on("data", (chunk) => {
        if (!isStarted) {
          isStarted = true
          socket.write(welcome)
          return
        }
        for (const message of read(chunk)) {
          if (kind(message) === "X") return
          if (client.session !== undefined) client.session.socket.write(message)
          else {
            if (client.waiting.length === 0) queue.push(client)
            client.waiting.push(message)
            assign()
          }
        }
      })
    })
    yield* Effect.acquireRelease(
      Effect.promise(async () => {
        await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
        for (let i = 0; i < size; i++) await openSession()
      }),
      () =>
        Effect.promise(() => {
          for (const socket of sockets) socket.destroy()
          return new Promise<void>((resolve) => server.close(() => resolve()))
        })
    )
    const address = server.address()
    const through = new URL(url)
    through.port = String(typeof address === "object" && address !== null ? address.port : 0)
    return { url: through.href, served: () => sessions.map(({ served }) => served) }
  })
