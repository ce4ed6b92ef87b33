/** Laws of real processes: states in files and in SQLite. */
import { keeps, kill, shared } from "./keeps.ts"
import * as File from "./PersistentAgent.subjects.ts"
import * as Sqlite from "./SqlAgent.subjects.ts"

keeps(File.accounts, [kill])
keeps(File.shared, [kill, ...shared])
keeps(File.sharedWithoutHistory, shared.slice(0, 1))
keeps(Sqlite.accounts, [kill, ...shared])
keeps(Sqlite.deltas, [kill, ...shared.slice(0, 1)])
