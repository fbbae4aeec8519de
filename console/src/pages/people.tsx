// What is recorded about a person, and its erasure, which takes two steps.
import { useState } from "preact/hooks";

import { call, type Answer } from "../api/call";
import { useAction } from "../api/use_answer";
import { Dialog } from "../parts/dialog";
import { Check, TextField } from "../parts/field";
import { PageHead } from "../parts/page";
import { Note, Problem } from "../parts/states";
import { useAccess } from "../session";
import { useWords } from "../words/words";
import { PagedRows, usePages } from "./rows";

type Preview = Answer<"previewErasure">;
type Erased = Answer<"erasePerson">;

export function People() {
  const { t } = useWords();
  const { may } = useAccess();
  const [nik, setNik] = useState("");
  const pages = usePages();
  const preview = useAction<Preview>();
  const [found, setFound] = useState<Preview>();
  const [erased, setErased] = useState<Erased>();
  const digits = nik.replace(/[\s.]/g, "");

  const change = (typed: string) => {
    setNik(typed);
    setErased(undefined);
    pages.clear();
  };
  const search = (event: Event) => {
    event.preventDefault();
    setErased(undefined);
    void pages.start(cursor => call("searchPerson", { body: { nik: digits, cursor: cursor ?? null, limit: 50 } }));
  };
  const prepare = async () => {
    setErased(undefined);
    setFound(await preview.run(() => call("previewErasure", { body: { nik: digits } })));
  };
  return (
    <>
      <PageHead title={t("page.people")} about={t("people.about")} />
      <div class="panel">
        <form autocomplete="off" onSubmit={search}>
          <div class="fields">
            <TextField label={t("field.nik")} hint={t("verify.nikHint")} inputMode="numeric" required value={nik} onValue={change} />
          </div>
          <Problem failure={preview.failure} />
          {erased && (
            <Note tone={erased.rows_left > 0 ? "warn" : "good"}>
              <p>{t("people.erased", { templates: erased.templates, rows: erased.audit_rows })}</p>
              {erased.rows_left > 0 && <p>{t("people.rowsLeft", { rows: erased.rows_left })}</p>}
            </Note>
          )}
          <div class="buttons">
            <button class="main" disabled={pages.isRunning}>{t(pages.isRunning ? "state.running" : "people.show")}</button>
            {may("previewErasure") && (
              <button type="button" class="danger" disabled={preview.isRunning || digits === ""} onClick={() => void prepare()}>{t("people.forget")}</button>
            )}
          </div>
        </form>
        <PagedRows pages={pages} caption={t("rows.caption")} />
      </div>
      {found && (
        <ForgetDialog nik={digits} preview={found} onClose={() => setFound(undefined)} onErased={done => {
          setFound(undefined);
          pages.clear();
          setErased(done);
        }} />
      )}
    </>
  );
}

function ForgetDialog({ nik, preview, onClose, onErased }: {
  nik: string;
  preview: Preview;
  onClose: () => void;
  onErased: (erased: Erased) => void;
}) {
  const { t, number, time } = useWords();
  const [isSure, setSure] = useState(false);
  const erase = useAction<Erased>();
  const confirm = async () => {
    const done = await erase.run(() => call("erasePerson", { body: { nik, confirmation: preview.confirmation } }));
    if (done) onErased(done);
  };
  return (
    <Dialog title={t("people.forgetTitle")} onClose={onClose}>
      <Problem failure={erase.failure} />
      <dl class="facts">
        <dt>{t("field.nik")}</dt><dd><code>{nik}</code></dd>
        <dt>{t("people.templates")}</dt><dd>{number(preview.templates)}</dd>
        <dt>{t("people.rows")}</dt><dd>{number(preview.audit_rows)}</dd>
        <dt>{t("people.validUntil")}</dt><dd>{time(preview.valid_until)}</dd>
      </dl>
      {preview.unknown_person_keys.length > 0 && (
        <Note tone="warn">{t("people.unknownKeys", { keys: preview.unknown_person_keys.join(", ") })}</Note>
      )}
      <p>{t("people.forgetAbout")}</p>
      <Check label={t("people.sure")} checked={isSure} onValue={setSure} />
      <div class="buttons">
        <button type="button" class="danger main" disabled={!isSure || erase.isRunning} onClick={() => void confirm()}>{t("people.forgetGo")}</button>
        <button type="button" onClick={onClose}>{t("action.cancel")}</button>
      </div>
    </Dialog>
  );
}
