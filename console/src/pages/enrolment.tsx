// How far the enrolment of all people is, its start and its pause. It runs in a process of its own, not in this page.
import { useState } from "preact/hooks";

import { call, type Answer } from "../api/call";
import { useAction, useAnswer } from "../api/use_answer";
import { Choice } from "../parts/field";
import { PageHead } from "../parts/page";
import { Note, Problem, Whenever } from "../parts/states";
import { useAccess } from "../session";
import { useWords, type Key } from "../words/words";

type Enrolments = Answer<"listEnrolments">;
type Entry = Enrolments["enrolments"][number];
type Job = Enrolments["jobs"][number];
type Wanted = "running" | "paused" | "stopped";

/** How often the progress is asked for. */
const EVERY_MS = 3000;

/** What an operator can ask for in each state. */
const WISHES: Record<string, readonly Wanted[]> = {
  waiting: ["paused", "stopped"], running: ["paused", "stopped"], interrupted: ["paused", "stopped"],
  paused: ["running", "stopped"], failed: ["running"],
};

export function EnrolmentPage() {
  const { t } = useWords();
  const { may } = useAccess();
  const list = useAnswer(() => call("listEnrolments"), [], EVERY_MS);
  return (
    <>
      <PageHead title={t("page.enrolment")} about={t("enrolment.about")} />
      <Whenever loaded={list}>
        {answer => (
          <>
            {may("startEnrolment") && may("listModels") && !answer.jobs.some(isOpen) && <Start onStarted={list.reload} />}
            {answer.jobs.slice(0, 5).map(job => <JobPanel key={job.id} job={job} workers={answer.workers} onChange={list.reload} />)}
            {answer.enrolments.length === 0
              ? <div class="panel"><p class="empty">{t("enrolment.none")}</p></div>
              : answer.enrolments.map(entry => <EntryPanel key={entry.contract} entry={entry} />)}
          </>
        )}
      </Whenever>
    </>
  );
}

function isOpen(job: Job): boolean {
  return ["waiting", "running", "interrupted", "paused"].includes(job.state);
}

function Start({ onStarted }: { onStarted: () => void }) {
  const { t } = useWords();
  const models = useAnswer(() => call("listModels"), []);
  const [chosen, setChosen] = useState<string>();
  const start = useAction<Job>();
  const sets = models.answer?.sets.filter(set => set.installed).map(set => set.model_set) ?? [];
  const set = chosen ?? models.answer?.in_use.model_set ?? sets[0];
  const submit = async (event: Event) => {
    event.preventDefault();
    if (set && await start.run(() => call("startEnrolment", { body: { model_set: set } }))) onStarted();
  };
  return (
    <div class="panel">
      <form onSubmit={event => void submit(event)}>
        <Problem failure={models.failure ?? start.failure} />
        <p class="quiet small">{t("enrolment.startAbout")}</p>
        <div class="fields"><Choice label={t("model.set")} value={set ?? ""} onValue={setChosen} options={sets.map(name => [name, name])} /></div>
        <div class="buttons"><button class="main" disabled={!set || start.isRunning}>{t("enrolment.start")}</button></div>
      </form>
    </div>
  );
}

function JobPanel({ job, workers, onChange }: { job: Job; workers: number; onChange: () => void }) {
  const { t, number, minute, named } = useWords();
  const { may } = useAccess();
  const set = useAction<Job>();
  const wishes = may("setEnrolmentState") ? WISHES[job.state] ?? [] : [];
  const change = async (state: Wanted) => {
    if (await set.run(() => call("setEnrolmentState", { path: { id: job.id }, body: { state } }))) onChange();
  };
  const tone = job.state === "done" ? "good" : job.state === "failed" ? "bad" : ["paused", "interrupted"].includes(job.state) ? "warn" : "";
  const all = job.estimated_people ?? 0;
  return (
    <section class="panel" aria-label={t("enrolment.job", { set: job.model_set })}>
      <header>
        <h2>{job.model_set} <span class={`tag ${tone}`}>{named("job", job.state)}</span></h2>
        <div class="buttons">
          {wishes.map(state => (
            <button type="button" key={state} class={state === "stopped" ? "plain" : ""} disabled={set.isRunning} onClick={() => void change(state)}>
              {t(`enrolment.wish.${state}` as Key)}
            </button>
          ))}
        </div>
      </header>
      <Problem failure={set.failure} />
      {["waiting", "interrupted"].includes(job.state) && workers === 0 && <Note tone="warn">{t("enrolment.noWorkers")}</Note>}
      {isOpen(job) && (
        <progress aria-label={t("enrolment.progress")} {...(all > 0 ? { max: Math.max(all, job.people), value: job.people } : {})} />
      )}
      <p class="small number" role="status">
        {all > 0 ? t("enrolment.peopleOf", { people: number(job.people), all: number(all) }) : t("enrolment.people", { people: number(job.people) })}
      </p>
      {job.error && <p class="small" lang="en">{job.error}</p>}
      <p class="small quiet">
        {t("enrolment.startedBy", { time: minute(job.started_at), operator: job.operator })}
        {job.ended_at && ` ${t("enrolment.ended", { time: minute(job.ended_at) })}`}
      </p>
    </section>
  );
}

function EntryPanel({ entry }: { entry: Entry }) {
  const { t, number, minute } = useWords();
  const isFinished = entry.finished_at != null;
  const state = isFinished ? "finished" : entry.processes > 0 ? "running" : "waiting";
  const figures = [
    ["enrolment.templates", entry.templates], ["enrolment.covered", entry.covered], ["enrolment.unusable", entry.unusable],
    ["enrolment.failed", entry.failed], ["enrolment.openRanges", entry.open_ranges], ["enrolment.processes", entry.processes],
  ] as const;
  return (
    <section class="panel">
      <header>
        <h2>{t("enrolment.ofSet", { set: entry.model_set })} <span class={`tag ${isFinished ? "good" : ""}`}>{t(`enrolment.${state}`)}</span></h2>
      </header>
      <dl class="figures">
        {figures.map(([key, value]) => <div class="figure" key={key}><dt>{t(key)}</dt><dd>{number(value)}</dd></div>)}
      </dl>
      <p class="small quiet">
        {t("enrolment.started", { time: minute(entry.started_at) })}
        {entry.finished_at && ` ${t("enrolment.ended", { time: minute(entry.finished_at) })}`}{" "}
        <code>{entry.contract}</code>
      </p>
    </section>
  );
}
