/**
 * State in a file that a person can open: JSON, in a file named as the user named it.
 *
 * - Promises: `power`, `linearizable`, shared by the fibers of one `process`; history as far as `history` says. `process`
 *   in place of `power` on Windows, which cannot fsync a directory. A save replaces the whole file by write, fsync,
 *   rename, fsync: the file holds the old state or the new one at every instant, and is checked on the way in.
 * - Costs: two fsyncs a save, about a millisecond, and one more each for history and for the first delete; nothing on disk
 *   a load, of a family as long as the key is among the 1 000 used last (16 MB at most).
 * - Fails: with `StateInvalid`, with `StateCorrupt` for a file that was edited, damaged or is not ours (it is left as it
 *   is), with `StorageUnavailable` and what the system said, with `WriteIndeterminate` when the last fsync fails, and with
 *   `AgentClosed` after its scope.
 *
 * Effect's `FileSystem` does the I/O: provide `NodeServices.layer` of `@effect/platform-node`, or a simulated disk.
 */
import { type Context, Effect, type FileSystem, Layer, type Scope } from "effect"
import { type Codec, json } from "../schema/Codec.ts"
import { type Claims, type History, historyLength } from "./Claims.ts"
import * as DataAgent from "./DataAgent.ts"
import * as Family from "./Family.ts"
import { canSyncDirectories } from "./file/disk.ts"
import type { FileStore } from "./file/fileStore.ts"
import { openDirectory, openFile } from "./file/shared.ts"
import type { StateCorrupt, StateInvalid, StorageUnavailable } from "./StateError.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Options

interface CommonOptions<S> extends Omit<DataAgent.Options<S>, "name"> {
  /** Names the agent in errors, spans and metrics. Default: the path. */
  readonly name?: string | undefined
  /**
   * How many states are kept, the current one included. Default: `"none"`, the current one alone. Earlier ones are files
   * in the directory `<file>.history`.
   */
  readonly history?: History | undefined
}

/** What `make` takes. A plain schema is stored as indented JSON; a codec as it says. */
export interface Options<S> extends CommonOptions<S> {
  /** The file. Directories that are missing are made. */
  readonly path: string
}

/** What `family` takes. */
export interface FamilyOptions<S> extends CommonOptions<S> {
  /** The directory, of which each key is a file. It is made if missing, and belongs to the family. */
  readonly directory: string
}

/** What opening can fail with. */
export type OpenError = StateInvalid | StateCorrupt | StorageUnavailable

// ---------------------------------------------------------------------------------------------------------------------
// Claims

/** What a persistent agent promises. */
export const claims = (options?: { readonly history?: History | undefined }): Claims => ({
  durability: canSyncDirectories ? "power" : "process",
  consistency: "linearizable",
  sharing: "process",
  history: options?.history ?? "none"
})

// ---------------------------------------------------------------------------------------------------------------------
// make

/** One state in one file. The file is read, verified and made durable before this answers. */
export const make = <S>(
  options: Options<S>
): Effect.Effect<DataAgent.DataAgent<S>, OpenError, Scope.Scope | FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const { initial, name = options.path } = options
    const codec = codecOf(options.schema)
    const store = yield* openFile(name, options.path)
    const register = store.register(yield* handleOf(store, name, codec, options.history), "")
    return yield* DataAgent.fromRegister({ name, schema: codec, initial, register, claims: claims(options) })
  })

/** One state a key, in files of one directory. A key's file is read, verified and made durable at its first use. */
export const family = <S>(
  options: FamilyOptions<S>
): Effect.Effect<Family.Family<S>, OpenError, Scope.Scope | FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const { initial, name = options.directory } = options
    const codec = codecOf(options.schema)
    const store = yield* openDirectory(name, options.directory)
    const handle = yield* handleOf(store, name, codec, options.history)
    return yield* Family.fromStore({
      name,
      schema: codec,
      initial,
      claims: claims(options),
      store: { place: store, at: (key) => store.register(handle, key), keys: (prefix) => store.keys(handle, prefix) }
    })
  })

const codecOf = <S>(schema: DataAgent.Options<S>["schema"]): Codec<S> =>
  "fingerprint" in schema ? schema : json(schema, { indent: 2 })

const handleOf = <S>(store: FileStore, name: string, codec: Codec<S>, history: History = "none") =>
  store.handle({ name, codec, keep: Math.max(1, historyLength(history)) })

// ---------------------------------------------------------------------------------------------------------------------
// layer

/** A layer for a service tag of one agent. */
export const layer = <Self, S>(
  tag: Context.Key<Self, DataAgent.DataAgent<S>>,
  options: Options<S>
): Layer.Layer<Self, OpenError, FileSystem.FileSystem> => Layer.effect(tag, make(options))

/** A layer for a service tag of a family. */
export const layerFamily = <Self, S>(
  tag: Context.Key<Self, Family.Family<S>>,
  options: FamilyOptions<S>
): Layer.Layer<Self, OpenError, FileSystem.FileSystem> => Layer.effect(tag, family(options))
