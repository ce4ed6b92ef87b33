/** What is compared, at which versions, and how each is set. */

/** Packages that cannot be installed side by side have a directory each. All are the newest at their tag on npm. */
export const installations = {
  langgraph: {
    dependencies: {
      "@langchain/langgraph-checkpoint-sqlite": "1.0.4",
      "@langchain/langgraph-checkpoint": "1.2.2",
      "@langchain/core": "1.4.0",
      // The saver asks for 12, and runs on 13 as it is: measured on the driver that dgents has.
      "better-sqlite3": "13.2.0"
    },
    compiles: []
  },
  keyv: { dependencies: { "@keyv/sqlite": "4.0.8", keyv: "5.6.0", sqlite3: "5.1.7" }, compiles: ["sqlite3"] },
  "keyv-next": { dependencies: { "@keyv/sqlite": "6.0.0-beta.4", keyv: "6.1.0" }, compiles: [] }
} as const satisfies Record<
  string,
  { readonly dependencies: Record<string, string>; readonly compiles: ReadonlyArray<string> }
>

export type Installation = keyof typeof installations

/** A row of the table: a product, set in one way. */
export interface Product {
  readonly id: string
  readonly name: string
  readonly driver: string
  readonly setting: string
  /** Whether it is as its makers set it. */
  readonly isDefault: boolean
  /** Whether it commits as dgents does by default: WAL, and a sync of each commit. */
  readonly isOurs: boolean
  /** Whether a save leaves the earlier states of its key readable. */
  readonly keepsHistory: boolean
}

const versionOf = (from: Installation, name: string): string => {
  const found = Object.entries(installations[from].dependencies).find(([dependency]) => dependency === name)
  if (found === undefined) throw new Error(`${name} is not installed for ${from}`)
  return found[1]
}

const asMade = { setting: "default", isDefault: true, isOurs: false }
const asOurs = { setting: "as ours", isDefault: false, isOurs: true }
const ourDefault = { setting: "default", isDefault: true, isOurs: true }
const both = <P>(id: string, product: P) => [
  { id: `${id}-default`, ...product, ...asMade },
  { id: `${id}-ours`, ...product, ...asOurs }
]

const dgents = { driver: "better-sqlite3" }

export const products: ReadonlyArray<Product> = [
  { id: "dgents", name: "`SqlAgent`", ...dgents, ...ourDefault, keepsHistory: false },
  { id: "dgents-history", name: '`SqlAgent`, `history: "full"`', ...dgents, ...ourDefault, keepsHistory: true },
  {
    id: "dgents-normal",
    name: '`SqlAgent`, `history: "full"`',
    ...dgents,
    setting: '`synchronous: "normal"`',
    isDefault: false,
    isOurs: false,
    keepsHistory: true
  },
  ...both("langgraph", {
    name: `LangGraph's \`SqliteSaver\` ${versionOf("langgraph", "@langchain/langgraph-checkpoint-sqlite")}`,
    driver: `better-sqlite3 ${versionOf("langgraph", "better-sqlite3")}`,
    keepsHistory: true
  }),
  ...both("keyv", {
    name: `Keyv ${versionOf("keyv", "keyv")}, @keyv/sqlite ${versionOf("keyv", "@keyv/sqlite")}`,
    driver: `sqlite3 ${versionOf("keyv", "sqlite3")}`,
    keepsHistory: false
  }),
  ...both("keyv-next", {
    name: `Keyv ${versionOf("keyv-next", "keyv")}, @keyv/sqlite ${versionOf("keyv-next", "@keyv/sqlite")}`,
    driver: "node:sqlite",
    keepsHistory: false
  }),
  ...both("node-sqlite", { name: "node:sqlite by hand", driver: "node:sqlite", keepsHistory: false })
]
