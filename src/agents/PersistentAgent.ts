/**
 * State in a file that a person can open: JSON, in a file named as the user named it.
 *
 * - Promises: `power`, `linearizable`, shared by the fibers of one `process`, or with `sharing: "host"` by the processes of
 *   one host; history as far as `history` says. `process` in place of `power` on Windows, which cannot fsync a directory.
 *   A save replaces the whole file by write, fsync, rename, fsync: the file holds the old state or the new one at every
 *   instant, and is checked on the way in. A file that another process has open is refused, or shared if both say `host`.
 * - Costs: two fsyncs a save, about a millisecond, with a history a third beside them, and two more for the first delete;
 *   nothing on disk a load, of a family as long as the key is among the 1 000 used last (16 MB at most). Under `host` a
 *   save also takes a lock and reads the file, and so does a load without the lock; one of a state that another process
 *   saved makes it durable first.
 * - Fails: with `StateInvalid`, with `StateCorrupt` for a file that was edited, damaged or is not ours (it is left as it
 *   is; `edits: "adopt"` takes edited states over), with `StorageUnavailable` and what the system said, who has the file,
 *   or which option is wrong, with `WriteIndeterminate` when the last fsync fails, and with `AgentClosed` after its scope.
 *
 * Effect's `FileSystem` does the I/O: provide `NodeServices.layer` of `@effect/platform-node`, or a simulated disk. Local
 * disks only: locks tell who is dead by looking at the processes of this machine.
 */
import { type Context, Effect, type FileSystem, Layer, type Scope } from "effect"
import { bind, type Codec, json } from "../schema/Codec.ts"
import type { Claims } from "./Claims.ts"
import * as DataAgent from "./DataAgent.ts"
import * as Family from "./Family.ts"
import type { Compression } from "./file/compression.ts"
import { canSyncDirectories } from "./file/disk.ts"
import type { FileSharing } from "./file/fileStore.ts"
import { checkOptions } from "./file/options.ts"
import * as Retention from "./file/retention.ts"
import { openDirectory, openFile } from "./file/shared.ts"
import type { Writing } from "./file/stored.ts"
import type { StateCorrupt, StateInvalid, StorageUnavailable } from "./StateError.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Options

/**
 * Which states are kept, the current one included. With an age or a number of bytes the claim is `some`: how many states
 * fit is not known beforehand.
 */
export type History = Retention.Keep

/** What opening, making and claiming depend on. */
interface Kind {
  /**
   * Which states are kept. Default: `"none"`, the current one alone. Earlier ones are in a log beside the file, named
   * `<file>.history`. Limits are kept on reading; on disk older states stay until the log is over twice what is to be kept
   * and 256 KiB.
   */
  readonly history?: History | undefined
  /**
   * Who may have the file open at one time. Default: `"process"`, one process, which is refused (`StorageUnavailable`)
   * while another one has it; loads are answered from memory. `"host"`: any number of processes of one machine, all of
   * which have to say so; each load reads the file, and each save takes a lock.
   *
   * Under `"host"`, `changes` tells of the commits of others when they are seen: by watching the directory, and by looking
   * twice a second. With a history each commit is told once, in order, as long as it is still kept when it is looked for.
   * Without one, what is current when it is looked at is told, and what was overwritten in between is not.
   */
  readonly sharing?: FileSharing | undefined
}

interface CommonOptions<S> extends Omit<DataAgent.Options<S>, "name">, Kind {
  /** Names the agent in errors, spans and metrics. Default: the path. */
  readonly name?: string | undefined
  /**
   * What to do with a file that somebody edited. Default: `"refuse"`, it is `StateCorrupt`. `"adopt"`: JSON that fits the
   * schema, as the `state` of a file of ours or as the whole of a file without our header, becomes a new revision, and the
   * file is written anew; what does not fit is `StateCorrupt` and says where. Under `sharing: "host"` edits are noticed by
   * each load, and by `changes`; else at opening, and by a family at the first use of a key.
   *
   * Damage that leaves JSON of the schema is taken for an edit. The state that the edit replaced is not in the history unless this process had read it under `sharing: "host"`. An
   * editor that writes in place can be caught half way: that load is `StateCorrupt`, and a later one is not.
   */
  readonly edits?: "refuse" | "adopt" | undefined
  /**
   * How files are compressed, whole, in a container that `gunzip` or `unzstd` opens. Default: `"none"`. Files are read
   * whatever it says. Compressed files cost the time to compress and, under `"host"`, to decompress on each load.
   */
  readonly compression?: Compression | undefined
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
export const claims = (options?: Kind): Claims => ({
  durability: canSyncDirectories ? "power" : "process",
  consistency: "linearizable",
  sharing: options?.sharing ?? "process",
  history: Retention.claimOf(options?.history)
})

// ---------------------------------------------------------------------------------------------------------------------
// make

/** One state in one file. The file is read, verified and made durable before this answers. */
export const make = <S>(
  options: Options<S>
): Effect.Effect<DataAgent.DataAgent<S>, OpenError, Scope.Scope | FileSystem.FileSystem> =>
  Effect.gen(function* () {
    yield* checkOptions(options, "path")
    const { initial, name = options.path } = options
    const codec = codecOf(options.schema)
    const { handle, store } = yield* openFile(opening(name, options.path, codec, options))
    const register = store.register(handle, "")
    return yield* DataAgent.fromRegister({ name, schema: codec, initial, register, claims: claims(options) })
  })

/** One state a key, in files of one directory. A key's file is read, verified and made durable at its first use. */
export const family = <S>(
  options: FamilyOptions<S>
): Effect.Effect<Family.Family<S>, OpenError, Scope.Scope | FileSystem.FileSystem> =>
  Effect.gen(function* () {
    yield* checkOptions(options, "directory")
    const { initial, name = options.directory } = options
    const codec = codecOf(options.schema)
    const { handle, store } = yield* openDirectory(opening(name, options.directory, codec, options))
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

const opening = <S>(name: string, path: string, codec: Codec<S>, options: CommonOptions<S>) => {
  const { compression = "none", edits = "refuse", history, sharing = "process" } = options
  // Decoded and encoded again, so that what is stored is as this codec would have stored it.
  const adopt: Writing["adopt"] = (payload, where) => {
    const bound = bind(codec, where)
    return Effect.flatMap(bound.decode(payload), bound.encode)
  }
  const retention = Retention.of(history)
  const writing: Writing = { codec, retention, compression, adopt: edits === "adopt" ? adopt : undefined }
  return { name, path, sharing, writing }
}

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
