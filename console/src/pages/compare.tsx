// Compares the faces in two photos, without the registry.
import { useState } from "preact/hooks";

import { call, type Answer } from "../api/call";
import { useAction } from "../api/use_answer";
import { FacesChoice, FacesPanel } from "../parts/faces";
import { PageHead } from "../parts/page";
import { PhotoInput } from "../parts/photo_input";
import { Problem } from "../parts/states";
import { useWords } from "../words/words";
import { Nothing, OutcomeHead, ResultPanel, ScorePanel, Steps } from "./outcome";

type Result = Answer<"compareByHand">;

export function Compare() {
  const { t } = useWords();
  const [captured, setCaptured] = useState<File>();
  const [stored, setStored] = useState<File>();
  const [isPhotoMissing, setPhotoMissing] = useState(false);
  const [wantsFaces, setWantsFaces] = useState(false);
  const [result, setResult] = useState<Result>();
  const compare = useAction<Result>();

  const choose = (set: (file: File | undefined) => void) => (file: File | undefined) => {
    set(file);
    setPhotoMissing(false);
    setResult(undefined);
  };
  const submit = async (event: Event) => {
    event.preventDefault();
    if (!captured || !stored) return setPhotoMissing(true);
    const body = new FormData();
    body.set("captured_image", captured);
    body.set("stored_image", stored);
    setResult(undefined);
    setResult(await compare.run(() => call("compareByHand", { body, ...(wantsFaces ? { query: { faces: true } } : {}) })));
    return undefined;
  };
  return (
    <>
      <PageHead title={t("page.compare")} about={t("compare.about")} />
      <div class="work">
        <form class="panel" onSubmit={event => void submit(event)}>
          <div class="fields">
            <PhotoInput label={t("field.captured_image")} file={captured} onFile={choose(setCaptured)} findings={result?.photos.captured} />
            <PhotoInput label={t("field.stored_image")} file={stored} onFile={choose(setStored)} findings={result?.photos.stored} />
          </div>
          {isPhotoMissing && <p class="message bad" role="alert">{t("compare.photoMissing")}</p>}
          <FacesChoice isOn={wantsFaces} onChange={setWantsFaces} />
          <div class="buttons">
            <button class="main" disabled={compare.isRunning}>{t(compare.isRunning ? "compare.running" : "compare.go")}</button>
          </div>
        </form>
        <div class="stack">
          <Problem failure={compare.failure} />
          {result ? (
            <>
              <ResultPanel>
                <OutcomeHead result={result} />
                {result.score && <ScorePanel score={result.score} />}
              </ResultPanel>
              {result.faces && <FacesPanel faces={result.faces} labels={[t("field.captured_image"), t("field.stored_image")]} />}
              <Steps steps={result.steps} total={result.milliseconds} />
            </>
          ) : !compare.failure && <Nothing isRunning={compare.isRunning} text={t("compare.nothing")} />}
        </div>
      </div>
    </>
  );
}
