import type { Installation } from "./products.ts"
import type { Open, Settings } from "./subject.ts"

/** What is used of `@keyv/sqlite` and `keyv`, in both of their versions. */
interface Store {
  readonly query: (sql: string) => Promise<ReadonlyArray<Record<string, unknown>>>
}
interface Modules {
  readonly "@keyv/sqlite": { readonly KeyvSqlite: new (uri: string) => Store }
  readonly keyv: {
    readonly Keyv: new (options: {
      readonly store: Store
      readonly throwOnErrors: boolean
    }) => {
      readonly set: (key: string, value: unknown) => Promise<boolean>
      readonly get: (key: string) => Promise<unknown>
      readonly disconnect: () => Promise<void>
    }
  }
}

/** Imports a package of an installation. */
export type Import = (from: Installation, name: string) => Promise<unknown>

/** Keyv with its adapter for SQLite, on the driver that the adapter chooses under Node. */
export const openKeyv =
  (load: Import, from: Installation, isOurs: boolean): Open =>
  async (file) => {
    // Sound: the versions are pinned, and these are their exports.
    const { KeyvSqlite } = (await load(from, "@keyv/sqlite")) as Modules["@keyv/sqlite"]
    const { Keyv } = (await load(from, "keyv")) as Modules["keyv"]
    const store = new KeyvSqlite(`sqlite://${file}`)
    if (isOurs) {
      await store.query("PRAGMA journal_mode = WAL")
      await store.query("PRAGMA synchronous = FULL")
    }
    const keyv = new Keyv({ store, throwOnErrors: true })
    const one = async (sql: string): Promise<unknown> => Object.values((await store.query(sql))[0] ?? {})[0]
    return {
      save: (key, state) => keyv.set(key, state),
      load: (key) => keyv.get(key),
      close: async (): Promise<Settings> => {
        const settings = {
          journal: String(await one("PRAGMA journal_mode")),
          synchronous: Number(await one("PRAGMA synchronous")),
          sqlite: String(await one("SELECT sqlite_version()"))
        }
        await keyv.disconnect()
        return settings
      }
    }
  }
