// Verifies a person by hand, as a client would, and shows how the answer came about.
import { useState } from "preact/hooks";

import { call, type Answer } from "../api/call";
import { useAction } from "../api/use_answer";
import { FacesChoice, FacesPanel } from "../parts/faces";
import { TextField } from "../parts/field";
import { PageHead } from "../parts/page";
import { PhotoInput } from "../parts/photo_input";
import { Problem } from "../parts/states";
import { useWords } from "../words/words";
import { FieldResults, Nothing, OutcomeHead, ResultPanel, ScorePanel, Steps } from "./outcome";

type Result = Answer<"verifyByHand">;

interface Claim {
  nik: string;
  name: string;
  dateOfBirth: string;
}

/** The field of the form that a reason is about. */
const FIELD_OF: Record<string, keyof Claim> = {
  INVALID_NIK: "nik", NIK_NOT_FOUND: "nik", INVALID_NAME: "name", NAME_MISMATCH: "name", INVALID_DOB: "dateOfBirth", DOB_MISMATCH: "dateOfBirth",
};

/** A date as people write it, as the interface wants it: 14/3/1987 becomes 14-03-1987. */
export function dateAsSent(typed: string): string {
  const parts = /^\s*(\d{1,2})[-/. ](\d{1,2})[-/. ](\d{4})\s*$/.exec(typed);
  if (!parts) return typed.trim();
  const [, day = "", month = "", year = ""] = parts;
  return `${day.padStart(2, "0")}-${month.padStart(2, "0")}-${year}`;
}

function formOf(claim: Claim, photo: File): FormData {
  const form = new FormData();
  form.set("nik", claim.nik.replace(/[\s.]/g, ""));
  form.set("name", claim.name);
  form.set("date_of_birth", dateAsSent(claim.dateOfBirth));
  form.set("face_image", photo);
  return form;
}

export function Verify() {
  const words = useWords();
  const { t } = words;
  const [claim, setClaim] = useState<Claim>({ nik: "", name: "", dateOfBirth: "" });
  const [photo, setPhoto] = useState<File>();
  const [isPhotoMissing, setPhotoMissing] = useState(false);
  const [wantsFaces, setWantsFaces] = useState(false);
  const [result, setResult] = useState<Result>();
  const verify = useAction<Result>();

  const change = (part: Partial<Claim>) => {
    setClaim({ ...claim, ...part });
    setResult(undefined);
  };
  const choose = (file: File | undefined) => {
    setPhoto(file);
    setPhotoMissing(false);
    setResult(undefined);
  };
  const submit = async (event: Event) => {
    event.preventDefault();
    if (!photo) return setPhotoMissing(true);
    setResult(undefined);
    setResult(await verify.run(() => call("verifyByHand", { body: formOf(claim, photo), ...(wantsFaces ? { query: { faces: true } } : {}) })));
    return undefined;
  };
  const clear = () => {
    setClaim({ nik: "", name: "", dateOfBirth: "" });
    choose(undefined);
    verify.clear();
  };
  const wrong = result && FIELD_OF[result.reason_code];
  const faultOf = (field: keyof Claim) => (wrong === field && result ? words.named("reason", result.reason_code) : undefined);
  return (
    <>
      <PageHead title={t("page.verify")} about={t("verify.about")} />
      <div class="work">
        <form class="panel" autocomplete="off" onSubmit={event => void submit(event)}>
          <TextField label={t("field.nik")} hint={t("verify.nikHint")} inputMode="numeric" maxLength={40} required value={claim.nik}
            fault={faultOf("nik")} onValue={nik => change({ nik })} />
          <div class="fields">
            <TextField label={t("field.name")} hint={t("verify.nameHint")} required value={claim.name} fault={faultOf("name")}
              onValue={name => change({ name })} />
            <TextField label={t("field.date_of_birth")} hint={t("verify.dateHint")} inputMode="numeric" required value={claim.dateOfBirth}
              fault={faultOf("dateOfBirth")} onValue={dateOfBirth => change({ dateOfBirth })} />
          </div>
          <PhotoInput label={t("field.face_image")} file={photo} onFile={choose} findings={result?.photo} />
          {isPhotoMissing && <p class="message bad" role="alert">{t("verify.photoMissing")}</p>}
          <FacesChoice isOn={wantsFaces} onChange={setWantsFaces} />
          <div class="buttons">
            <button class="main" disabled={verify.isRunning}>{t(verify.isRunning ? "verify.running" : "verify.go")}</button>
            <button type="button" onClick={clear}>{t("action.clear")}</button>
          </div>
        </form>
        <div class="stack">
          <Problem failure={verify.failure} />
          {result ? <VerifyResult result={result} /> : !verify.failure && <Nothing isRunning={verify.isRunning} text={t("verify.nothing")} />}
        </div>
      </div>
    </>
  );
}

function VerifyResult({ result }: { result: Result }) {
  const { t } = useWords();
  return (
    <>
      <ResultPanel>
        <OutcomeHead result={result} />
        {result.score && <ScorePanel score={result.score} />}
      </ResultPanel>
      {result.faces && <FacesPanel faces={result.faces} labels={[t("field.face_image"), t("faces.portrait")]} />}
      {result.fields.length > 0 && (
        <section class="panel">
          <h2>{t("verify.fields")}</h2>
          <FieldResults fields={result.fields} />
        </section>
      )}
      <Steps steps={result.steps} total={result.milliseconds} />
    </>
  );
}
