// The model sets of the site, and which of them is active.
import { useState } from "preact/hooks";

import { call, type Answer } from "../api/call";
import { useAction, useAnswer } from "../api/use_answer";
import { Dialog } from "../parts/dialog";
import { Check } from "../parts/field";
import { PageHead } from "../parts/page";
import { Note, Problem, Whenever } from "../parts/states";
import { useAccess } from "../session";
import { useWords } from "../words/words";

type Models = Answer<"listModels">;
type Preview = Answer<"previewActivation">;

export function ModelsPage() {
  const { t } = useWords();
  const { may } = useAccess();
  const models = useAnswer(() => call("listModels"), []);
  const [chosen, setChosen] = useState<string>();
  const [activated, setActivated] = useState<string>();
  return (
    <>
      <PageHead title={t("page.models")} about={t("models.about")} />
      {activated && <Note tone="good">{t("models.activated", { set: activated })}</Note>}
      <Whenever loaded={models}>
        {answer => (
          <>
            <section class="panel">
              <h2>{t("models.inUse")}</h2>
              <InUse set={answer.in_use} />
              {answer.active && answer.active.contract !== answer.in_use.contract && <Note tone="warn">{t("models.behind", { set: answer.active.model_set })}</Note>}
            </section>
            <section class="panel">
              <h2>{t("models.known")}</h2>
              <Sets models={answer} {...(may("activateModel") ? { onActivate: setChosen } : {})} />
            </section>
          </>
        )}
      </Whenever>
      {chosen && (
        <ActivateDialog set={chosen} onClose={() => setChosen(undefined)} onDone={() => {
          setChosen(undefined);
          setActivated(chosen);
          models.reload();
        }} />
      )}
    </>
  );
}

export function InUse({ set }: { set: Models["in_use"] }) {
  const { t } = useWords();
  return (
    <dl class="facts">
      <dt>{t("model.set")}</dt><dd>{set.model_set}</dd>
      <dt>{t("model.device")}</dt><dd>{set.device}, {set.precision}</dd>
      <dt>{t("row.contract")}</dt><dd><code>{set.contract}</code></dd>
      <dt>{t("row.calibration")}</dt><dd><code>{set.calibration}</code></dd>
    </dl>
  );
}

function Sets({ models, onActivate }: { models: Models; onActivate?: (set: string) => void }) {
  const { t, number, minute } = useWords();
  const labels = { set: t("model.set"), state: t("client.state"), pass: t("model.passCosine"), contract: t("row.contract"), act: t("model.act") };
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={t("models.known")}>
      <table class="cards">
        <thead>
          <tr>
            <th scope="col">{labels.set}</th><th scope="col">{labels.state}</th><th scope="col" class="number">{labels.pass}</th><th scope="col">{labels.contract}</th>
            {onActivate && <th scope="col">{labels.act}</th>}
          </tr>
        </thead>
        <tbody>
          {models.sets.map(set => {
            const isActive = models.active?.contract === set.contract;
            return (
              <tr key={set.model_set}>
                <th scope="row" data-label={labels.set}>{set.model_set}</th>
                <td data-label={labels.state}>
                  <div>
                    {isActive && <><span class="tag good">{t("model.active")}</span>{" "}</>}
                    <span class={`tag ${set.installed ? "" : "warn"}`}>{t(set.installed ? "model.installed" : "model.notInstalled")}</span>
                    {isActive && models.active && <p class="small quiet">{t("model.since", { time: minute(models.active.activated_at) })}</p>}
                  </div>
                </td>
                <td data-label={labels.pass} class="number">{number(set.pass_cosine, 4)}</td>
                <td data-label={labels.contract} class="long"><code>{set.contract}</code></td>
                {onActivate && (
                  <td data-label={labels.act}>
                    {!isActive && set.installed && <button type="button" onClick={() => onActivate(set.model_set)}>{t("model.activate")}</button>}
                  </td>
                )}
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

function ActivateDialog({ set, onClose, onDone }: { set: string; onClose: () => void; onDone: () => void }) {
  const { t } = useWords();
  const [force, setForce] = useState(false);
  const preview = useAnswer(() => call("previewActivation", { body: { model_set: set } }), [set]);
  const activate = useAction<Answer<"activateModel">>();
  const confirm = async () => {
    if (await activate.run(() => call("activateModel", { body: { model_set: set, force } }))) onDone();
  };
  return (
    <Dialog title={t("models.activateTitle", { set })} onClose={onClose}>
      <Problem failure={activate.failure} />
      <p>{t("models.activateAbout")}</p>
      <Whenever loaded={preview}>{answer => <Exchange preview={answer} />}</Whenever>
      <Check label={t("models.force")} checked={force} onValue={setForce} />
      <div class="buttons">
        <button type="button" class="main" disabled={activate.isRunning || preview.isLoading} onClick={() => void confirm()}>{t("model.activate")}</button>
        <button type="button" onClick={onClose}>{t("action.cancel")}</button>
      </div>
    </Dialog>
  );
}

/** What was counted of the set beside the one that decides. */
function Exchange({ preview }: { preview: Preview }) {
  const { t, number, day } = useWords();
  const { active_model_set: active, model_set: other } = preview;
  const share = (count: number) =>
    preview.decisions > 0 ? `${number(count)} (${number((100 * count) / preview.decisions, 2)} %)` : number(count);
  return (
    <>
      {!preview.enrolled && <Note tone="warn">{t("models.notEnrolled", { set: other })}</Note>}
      {preview.requests === 0
        ? <Note tone="warn">{t("models.notMeasured", { set: other, active })}</Note>
        : (
          <>
            <p>{t("models.measured", { requests: number(preview.requests), compared: number(preview.compared), set: other, active, day: day(preview.from) })}</p>
            <dl class="facts">
              <dt>{t("models.decisions")}</dt><dd>{number(preview.decisions)}</dd>
              <dt>{t("models.wouldPass", { set: other })}</dt><dd>{share(preview.would_pass)}</dd>
              <dt>{t("models.wouldFail", { set: other })}</dt><dd>{share(preview.would_fail)}</dd>
            </dl>
            <Changes preview={preview} />
          </>
        )}
    </>
  );
}

const PASS_MARK = 75;
/** The width of an interval of percentages. */
const WIDTH = 5;

/** The decisions that would change, by both percentages. */
function Changes({ preview }: { preview: Preview }) {
  const { t, number } = useWords();
  const changed = preview.percentages.filter(
    ({ percentage, shadow_percentage: shadow, decisions }) => decisions > 0 && percentage >= PASS_MARK !== shadow >= PASS_MARK);
  if (changed.length === 0) return null;
  const interval = (start: number) => t("models.interval", { from: number(start), to: number(start + WIDTH) });
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={t("models.changes")}>
      <table>
        <caption>{t("models.changes")}</caption>
        <thead>
          <tr>
            <th scope="col" class="number">{preview.active_model_set}</th>
            <th scope="col" class="number">{preview.model_set}</th>
            <th scope="col" class="number">{t("models.requests")}</th>
          </tr>
        </thead>
        <tbody>
          {changed.map(({ percentage, shadow_percentage: shadow, decisions }) => (
            <tr key={`${percentage} ${shadow}`}>
              <td class="number">{interval(percentage)}</td>
              <td class="number">{interval(shadow)}</td>
              <td class="number">{number(decisions)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
