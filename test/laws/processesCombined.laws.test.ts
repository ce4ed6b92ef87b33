/** Laws of real processes: combinators. */
import * as Combined from "./combined.subjects.ts"
import { keeps, kill } from "./keeps.ts"

keeps(Combined.fallback, [kill])
keeps(Combined.mirrored, [kill])
keeps(Combined.cached, [kill])
