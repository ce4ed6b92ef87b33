/** Mistakes that LangGraph's suite is made to find; if it did not, this would measure nothing. */
// biome-ignore lint/correctness/noUndeclaredDependencies: installed where this file is copied to
import { SqliteSaver } from "@langchain/langgraph-checkpoint-sqlite"
import { cached, over } from "./langgraph-broken.mjs"

export const controls = {
  "metadata is not stored": over(
    class extends SqliteSaver {
      put(config, state, _metadata, versions) {
        return super.put(config, state, {}, versions)
      }
    }
  ),
  "list ignores its limit": over(
    class extends SqliteSaver {
      list(config, options) {
        return super.list(config, { ...options, limit: undefined })
      }
    }
  ),
  "list ignores before": over(
    class extends SqliteSaver {
      list(config, options) {
        return super.list(config, { ...options, before: undefined })
      }
    }
  ),
  "list ignores its filter": over(
    class extends SqliteSaver {
      list(config, options) {
        return super.list(config, { ...options, filter: undefined })
      }
    }
  ),
  "putWrites does nothing": over(
    class extends SqliteSaver {
      async putWrites() {}
    }
  ),
  "deleteThread does nothing": over(
    class extends SqliteSaver {
      async deleteThread() {}
    }
  ),
  "a cache that deleteThread does not empty": over(cached({ forgetOn: ["put", "putWrites"], copy: true })),
  "a put that the next read does not see": over(
    class extends SqliteSaver {
      #late = async () => {}

      async put(...args) {
        await this.#late()
        this.#late = () => super.put(...args)
        const { checkpoint_ns = "", thread_id } = args[0].configurable
        return { configurable: { thread_id, checkpoint_ns, checkpoint_id: args[1].id } }
      }
    }
  )
}
