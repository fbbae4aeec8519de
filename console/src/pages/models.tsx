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
  const activate = useAction<Answer<"activateModel">>();
  const confirm = async () => {
    if (await activate.run(() => call("activateModel", { body: { model_set: set, force } }))) onDone();
  };
  return (
    <Dialog title={t("models.activateTitle", { set })} onClose={onClose}>
      <Problem failure={activate.failure} />
      <p>{t("models.activateAbout")}</p>
      <Check label={t("models.force")} checked={force} onValue={setForce} />
      <div class="buttons">
        <button type="button" class="main" disabled={activate.isRunning} onClick={() => void confirm()}>{t("model.activate")}</button>
        <button type="button" onClick={onClose}>{t("action.cancel")}</button>
      </div>
    </Dialog>
  );
}
