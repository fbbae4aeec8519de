// A secret that is shown once, with a button that copies it.
import { useState } from "preact/hooks";

import { useWords } from "../words/words";
import { Dialog } from "./dialog";
import { Check } from "./field";
import { Icon } from "./icons";
import { Note } from "./states";

/** Secrets that are gone once the dialog is closed, so neither Escape nor a click beside closes it. */
export function SecretsShown({ title, about, secrets, onClose }: {
  title: string;
  about: string;
  secrets: readonly (readonly [label: string, value: string | null | undefined])[];
  onClose: () => void;
}) {
  const { t } = useWords();
  const [isKept, setKept] = useState(false);
  return (
    <Dialog title={title} isLocked onClose={onClose}>
      <Note tone="warn">{about}</Note>
      {secrets.map(([label, value]) => value && <Secret key={label} label={label} value={value} />)}
      <Check label={t("secrets.kept")} checked={isKept} onValue={setKept} />
      <div class="buttons"><button type="button" class="main" disabled={!isKept} onClick={onClose}>{t("action.done")}</button></div>
    </Dialog>
  );
}

function Secret({ label, value }: { label: string; value: string }) {
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
