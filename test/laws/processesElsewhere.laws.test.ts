/** Laws of real processes: states on a Redis server, and those that are folds over events. */
import { keeps, kill, shared } from "./keeps.ts"
import * as Redis from "./RedisAgent.subjects.ts"
import * as Streams from "./StreamAgent.subjects.ts"

keeps(Redis.accounts, [kill, ...shared])
keeps(Redis.synced, [kill])
keeps(Streams.files, [kill])
keeps(Streams.sharedFiles, [kill, ...shared])
keeps(Streams.sqlite, [kill, ...shared])
keeps(Streams.redis, [kill])
