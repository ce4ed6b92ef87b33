import { needRoom } from "./fileSystem.ts"
import { type Fault, showFault } from "./plan.ts"

/** What is done while one I/O operation fails, after which saves. */
export const operations = [
  { step: "reopen", saves: 2 },
  { step: "save", saves: 0 },
  { step: "save", saves: 2 },
  { step: "update", saves: 2 },
  { step: "compareAndSave", saves: 2 },
  { step: "delete", saves: 2 },
  { step: "history", saves: 3 }
] as const

export type Operation = (typeof operations)[number]

const codes = ["EIO", "ENOSPC", "EACCES", "EMFILE"] as const

/** A way in which one I/O operation may fail. */
export interface Way {
  readonly name: string
  readonly faults: (at: number) => ReadonlyArray<Fault>
}

/** Every way in which an I/O operation is made to fail: once and from then on. */
export const ways: readonly [Way, ...ReadonlyArray<Way>] = [
  { name: "short write once", faults: (at) => [{ does: "short", from: at, until: at + 1 }] },
  ...(["refuse", "loseReply"] as const).flatMap((does) =>
    codes.flatMap(
      (code): ReadonlyArray<Way> => [
        { name: `${does} ${code} once`, faults: (at) => [{ does, code, from: at, until: at + 1 }] },
        { name: `${does} ${code} from then on`, faults: (at) => [{ does, code, from: at }] }
      ]
    )
  ),
  { name: "short writes from then on", faults: (at) => [{ does: "short", from: at }] },
  {
    name: "disk full from then on",
    faults: (at) => [
      { does: "short", from: at, until: at + 1, only: needRoom },
      { does: "refuse", code: "ENOSPC", from: at + 1, only: needRoom }
    ]
  }
]

/**
 * The mistakes that people make most, each at the step where it shows: where there is no time for everything, mostly
 * these are tried. They do not ask which I/O operation it is.
 */
export const suspects: readonly [Way, ...ReadonlyArray<Way>] = [
  suspect({ does: "refuse", code: "ENOSPC", only: ["write", "writeFile"] }, 0),
  suspect({ does: "short", only: ["write", "writeFile"] }, 0),
  suspect({ does: "refuse", code: "EIO", only: ["fsync"] }, 0),
  suspect({ does: "refuse", code: "EIO", only: ["fsync"] }, 1),
  suspect({ does: "loseReply", code: "EIO", only: ["rename"] }, 0),
  suspect({ does: "refuse", code: "EACCES", only: ["rename"] }, 0),
  suspect({ does: "refuse", code: "EMFILE", only: ["open", "create", "readFile"] }, 0)
]

function suspect(fault: Fault, from: number): Way {
  const struck = { ...fault, from, until: from + 1 }
  return { name: showFault(struck), faults: () => [struck] }
}
