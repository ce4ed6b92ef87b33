import { connect, createServer, type Socket } from "node:net"
import { Effect, type Scope } from "effect"

type Cut = "request" | "answer" | "silence" | "delay"

/** A way to a server that can be cut, on the loopback interface. */
export interface CutProxy {
  readonly url: string
  /**
   * What becomes of the next thing that a client sends: `request` loses it on its way to the server, `answer` loses what the
   * server says to it; the connection breaks either way. `silence` loses it and says nothing. `delay`
   * loses nothing, and lets the answer through a tenth of a second later.
   */
  readonly cutNext: (what: Cut) => void
  /** Cuts all connections there are. */
  readonly cut: () => void
  /** How many connections were cut, each for one thing that a client sent. */
  readonly cuts: () => number
  /** Whether new connections are let through. */
  readonly setOpen: (isOpen: boolean) => void
}

/** A proxy before a server, until the scope closes. */
export const cutProxy = (url: string): Effect.Effect<CutProxy, never, Scope.Scope> =>
  Effect.gen(function* () {
    const target = new URL(url)
    let next: Cut | undefined
    let isOpen = true
    let cuts = 0
    const sockets = new Set<Socket>()
    const keep = (socket: Socket) => {
      sockets.add(socket)
      socket.on("error", () => {})
      socket.on("close", () => sockets.delete(socket))
    }
    const server = createServer((client) => {
      keep(client)
      if (!isOpen) return client.destroy()
      const upstream = connect(Number(target.port), target.hostname)
      keep(upstream)
      let dropping: Exclude<Cut, "request"> | undefined
      const cut = () => {
        cuts++
        upstream.destroy()
        client.destroy()
      }
      client.on("data", (data) => {
        const what = next
        next = undefined
        if (what === "request") return cut()
        if (what !== undefined) dropping = what
        if (dropping !== "silence") upstream.write(data)
      })
      upstream.on("data", (data) => {
        if (dropping === "answer") return cut()
        if (dropping !== "delay") return client.write(data)
        dropping = undefined
        return setTimeout(() => client.write(data), 100)
      })
      client.on("close", () => upstream.destroy())
      upstream.on("close", () => client.destroy())
      return undefined
    })
    yield* Effect.acquireRelease(
      Effect.promise(() => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))),
      () =>
        Effect.promise(() => {
          for (const socket of sockets) socket.destroy()
          return new Promise<void>((resolve) => server.close(() => resolve()))
        })
    )
    const address = server.address()
    const through = new URL(url)
    through.port = String(typeof address === "object" && address !== null ? address.port : 0)
    return {
      url: through.href,
      cutNext: (what) => {
        next = what
      },
      cut: () => {
        for (const socket of sockets) socket.destroy()
      },
      cuts: () => cuts,
      setOpen: (open) => {
        isOpen = open
      }
    }
  })
