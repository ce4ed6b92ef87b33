/** Which commits to list: those of the first `limit` keys with this prefix, in some order, behind the key `after`. */
export interface ListingOf {
  readonly prefix: string
  readonly after: string | undefined
  readonly limit: number
}

/** Current commits: times in milliseconds since the epoch. */
export type Listing = ReadonlyArray<readonly [key: string, revision: number, savedAt: number]>
