/** What was written since the database was opened. */
export interface Counts {
  /** Saves, batches and deletes that succeeded. */
  readonly writes: number
  /** Transactions, of one or more of these, committed by the thread of the program. */
  readonly commitsHere: number
  /** The same, committed by the worker thread. */
  readonly commitsInWorker: number
  /** How many writes the largest transaction had. */
  readonly largestCommit: number
  /** How often another connection had the lock. */
  readonly busy: number
  readonly checkpoints: number
  /** How long syncing takes, in milliseconds: rather the slow ones of late than the average. */
  readonly syncMillis: number
}

/** What an operator wants to see of a database. */
export interface Figures extends Counts {
  /** Bytes of the database file. */
  readonly fileBytes: number
  /** Bytes of that which are free: deletes leave them, new states use them again. */
  readonly freeBytes: number
  /** Bytes of the write-ahead log beside it. */
  readonly logBytes: number
}
