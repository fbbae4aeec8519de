// Short marks: the outcome of a request, and whether a field matched.
import { useWords } from "../words/words";

const GOOD = new Set(["VERIFIED", "MATCH", "SPOOF_LOW"]);
const BAD = new Set(["INTERNAL", "REGISTRY_UNAVAILABLE", "STORE_UNAVAILABLE", "FACE_MISMATCH", "NOT_MATCH", "SPOOF_HIGH",
  "SPOOF_SUSPECTED", "NIK_NOT_FOUND", "NAME_MISMATCH", "DOB_MISMATCH", "FIELD_MISMATCH"]);

export type Tone = "good" | "bad" | "warn";

/** Green for a match, red for a mismatch or an outage, amber for what could not be judged. */
export function toneOf(reason: string): Tone {
  return GOOD.has(reason) ? "good" : BAD.has(reason) ? "bad" : "warn";
}

/** The outcome of a request, or what an operator did. */
export function ReasonTag({ reason, kind }: { reason: string; kind: string }) {
  const { named } = useWords();
  if (kind !== "request") return <span class="tag" title={reason}>{named("act", reason)}</span>;
  return <span class={`tag ${toneOf(reason)}`} title={reason}>{named("reason", reason)}</span>;
}

/** Whether a field matched; null where it was not judged. */
export function MatchTag({ matches }: { matches: boolean | null }) {
  const { t } = useWords();
  if (matches === null) return <span class="tag">{t("match.notJudged")}</span>;
  return matches ? <span class="tag good">{t("match.yes")}</span> : <span class="tag bad">{t("match.no")}</span>;
}
