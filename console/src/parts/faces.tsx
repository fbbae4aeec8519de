// The aligned faces of a result, side by side, and the choice to see them.
import type { components } from "../api/generated/schema";
import { useAccess } from "../session";
import { useWords } from "../words/words";
import { Note } from "./states";

type Faces = components["schemas"]["Faces"];

/** The choice to see both faces. It is there only for roles that may. */
export function FacesChoice({ isOn, onChange }: { isOn: boolean; onChange: (isOn: boolean) => void }) {
  const { t } = useWords();
  const { session } = useAccess();
  if (!session.show_faces) return null;
  return (
    <label class="check">
      <input type="checkbox" checked={isOn} onChange={event => onChange(event.currentTarget.checked)} />
      <span>{t("faces.choice")}</span>
    </label>
  );
}

export function FacesPanel({ faces, labels: [probe, reference] }: { faces: Faces; labels: readonly [string, string] }) {
  const { t, named } = useWords();
  return (
    <section class="panel">
      <h2>{t("faces.title")}</h2>
      {faces.fault && <Note tone="warn">{t("faces.failed", { cause: named("reason", faces.fault) })}</Note>}
      {!faces.fault && (
        <>
          <div class="faces"><Face address={faces.probe} label={probe} /><Face address={faces.reference} label={reference} /></div>
          <p class="small quiet">{t("faces.about")}</p>
        </>
      )}
    </section>
  );
}

function Face({ address, label }: { address?: string | null | undefined; label: string }) {
  const { t } = useWords();
  return (
    <figure>
      {address ? <img src={address} alt={label} width={112} height={112} /> : <p class="empty small">{t("faces.none")}</p>}
      <figcaption class="small">{label}</figcaption>
    </figure>
  );
}
