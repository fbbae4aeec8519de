// A secret that is shown once, with a button that copies it.
import { useState } from "preact/hooks";

import { useWords } from "../words/words";
import { Icon } from "./icons";

export function Secret({ label, value }: { label: string; value: string }) {
  return (
    <div class="secret">
      <span class="label">{label}</span>
      <code>{value}</code>
      <CopyButton value={value} what={label} />
    </div>
  );
}

/** Copies a value, and says whether that worked. */
export function CopyButton({ value, what }: { value: string; what: string }) {
  const { t } = useWords();
  const [state, setState] = useState<"idle" | "copied" | "failed">("idle");
  const copy = () =>
    // Absent where the page came by plain HTTP from another machine.
    (navigator.clipboard as Clipboard | undefined)?.writeText(value).then(() => setState("copied"), () => setState("failed"))
      ?? setState("failed");
  return (
    <button type="button" class="plain" aria-label={`${t("action.copy")}: ${what}`} onClick={() => void copy()}>
      <Icon name="copy" />
      <span role="status">{t(state === "copied" ? "action.copied" : state === "failed" ? "action.copyFailed" : "action.copy")}</span>
    </button>
  );
}
