// A moment in Jakarta, to the minute.
import { useWords } from "../words/words";
import { TextField } from "./field";

export function MomentField({ label, value, onValue }: { label: string; value: string; onValue: (value: string) => void }) {
  const { t } = useWords();
  return <TextField label={`${label} (${t("time.zone")})`} type="datetime-local" value={value} onValue={onValue} />;
}

/** What was typed as the interface takes it; null if nothing was. Jakarta has no summer time. */
export function momentOf(typed: string): string | null {
  return typed === "" ? null : new Date(`${typed.slice(0, 16)}:00+07:00`).toISOString();
}
