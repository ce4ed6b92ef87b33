import { Schedule } from "effect"

/**
 * How long a conflict is waited for: short at first, since most are over by then; capped, and jittered so that two writers do not
 * stay in step.
 */
export const backoff = Schedule.jittered(Schedule.min([Schedule.exponential("1 millis"), Schedule.spaced("50 millis")]))
