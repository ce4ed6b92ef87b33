import type { Import } from "./keyv.ts"
import type { Open, Settings } from "./subject.ts"

interface Config {
  readonly configurable: {
    readonly thread_id: string
    readonly checkpoint_ns?: string
    readonly checkpoint_id?: string
  }
}

interface Checkpoint {
  readonly id: string
  readonly channel_values: Readonly<Record<string, unknown>>
  readonly channel_versions: Readonly<Record<string, number>>
}

/** What is used of the saver and of what a checkpoint is made with. */
interface Modules {
  readonly saver: {
    readonly SqliteSaver: {
      readonly fromConnString: (path: string) => {
        readonly db: {
          readonly pragma: (pragma: string, options?: { readonly simple: boolean }) => unknown
          readonly prepare: (sql: string) => { readonly pluck: () => { readonly get: () => unknown } }
          readonly close: () => void
        }
        readonly put: (config: Config, checkpoint: Checkpoint, metadata: object) => Promise<Config>
        readonly getTuple: (config: Config) => Promise<{ readonly checkpoint: Checkpoint } | undefined>
      }
    }
  }
  readonly checkpoint: {
    readonly emptyCheckpoint: () => Checkpoint
    readonly uuid6: (clockSequence: number) => string
  }
}

/**
 * A thread for each key, and the state as the one channel of its checkpoints. Each put names the checkpoint before it as
 * its parent and carries the metadata that a graph gives it.
 */
export const openLangGraph =
  (load: Import, isOurs: boolean): Open =>
  async (file) => {
    // Sound: the versions are pinned, and these are their exports.
    const { SqliteSaver } = (await load("langgraph", "@langchain/langgraph-checkpoint-sqlite")) as Modules["saver"]
    const { emptyCheckpoint, uuid6 } = (await load(
      "langgraph",
      "@langchain/langgraph-checkpoint"
    )) as Modules["checkpoint"]
    const saver = SqliteSaver.fromConnString(file)
    if (isOurs) saver.db.pragma("synchronous = FULL")
    const heads = new Map<string, { readonly config: Config; readonly step: number }>()
    return {
      save: async (key, state) => {
        const head = heads.get(key)
        const step = (head?.step ?? 0) + 1
        const checkpoint: Checkpoint = {
          ...emptyCheckpoint(),
          id: uuid6(step),
          channel_values: { conversation: state },
          channel_versions: { conversation: step }
        }
        const metadata = { source: "loop", step, parents: {} }
        const config = await saver.put(head?.config ?? { configurable: { thread_id: key } }, checkpoint, metadata)
        heads.set(key, { config, step })
      },
      load: async (key) =>
        (await saver.getTuple({ configurable: { thread_id: key } }))?.checkpoint.channel_values["conversation"],
      close: async (): Promise<Settings> => {
        const settings = {
          journal: String(saver.db.pragma("journal_mode", { simple: true })),
          synchronous: Number(saver.db.pragma("synchronous", { simple: true })),
          sqlite: String(saver.db.prepare("SELECT sqlite_version()").pluck().get())
        }
        saver.db.close()
        return settings
      }
    }
  }
