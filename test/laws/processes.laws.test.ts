/** Laws of real processes: states in files and in SQLite. */
import { keeps, kill, shared } from "./keeps.ts"
import * as File from "./PersistentAgent.subjects.ts"
import * as Sqlite from "./SqlAgent.subjects.ts"

keeps(File.accounts, [kill])
// That they count together is tested with more increments beside the agent.
keeps(File.shared, [kill, ...shared.slice(0, 1)])
keeps(File.sharedWithoutHistory, shared.slice(0, 1))
keeps(Sqlite.accounts, [kill, ...shared])
keeps(Sqlite.deltas, [kill, ...shared.slice(0, 1)])
