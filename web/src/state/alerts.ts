// What a verdict means for the queue.

import type { Alert, Verdict } from "../api/wire";
import { micros } from "../units/format";

const SETTLED = new Set(["true", "false", "duplicate"]);

export function latestVerdict(alert: Alert): Verdict | null {
  const verdicts = alert.verdicts ?? [];
  return verdicts.length ? verdicts.reduce((a, b) => ((b.at ?? "") >= (a.at ?? "") ? b : a)) : null;
}

/** Still needs somebody: nobody has judged or acknowledged it. */
export function isUnseen(alert: Alert): boolean {
  return latestVerdict(alert) === null;
}

/** Belongs in the queue: not voided, not settled by a person, and not silenced now. */
export function isOpen(alert: Alert, nowUs: number): boolean {
  if (alert.change === "void" || alert.state === "closed") return false;
  const last = latestVerdict(alert);
  if (!last) return true;
  if (last.verdict === "silenced") {
    const until = micros(last.until ?? undefined);
    return Number.isFinite(until) && Number.isFinite(nowUs) && until <= nowUs;
  }
  if (SETTLED.has(last.verdict)) return false;
  return !(alert.end_at && last.verdict === "acknowledged");
}
