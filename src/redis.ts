/** States in Redis, through `ioredis`: the one entry that loads it. */
export * as IoredisDriver from "./agents/redis/driver.ts"
