// How far the enrolment of all people is. `padan enroll` starts and ends it.
import { call, type Answer } from "../api/call";
import { useAnswer } from "../api/use_answer";
import { PageHead } from "../parts/page";
import { Note, Whenever } from "../parts/states";
import { useWords } from "../words/words";

type Entry = Answer<"listEnrolments">["enrolments"][number];

/** How often the progress is asked for. */
const EVERY_MS = 5000;

export function EnrolmentPage() {
  const { t } = useWords();
  const list = useAnswer(() => call("listEnrolments"), [], EVERY_MS);
  return (
    <>
      <PageHead title={t("page.enrolment")} about={t("enrolment.about")} />
      <Whenever loaded={list}>
        {answer => answer.enrolments.length === 0
          ? <div class="panel"><p class="empty">{t("enrolment.none")}</p></div>
          : answer.enrolments.map(entry => <EntryPanel key={entry.contract} entry={entry} />)}
      </Whenever>
    </>
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
        <h2>{entry.model_set} <span class={`tag ${isFinished ? "good" : ""}`}>{t(`enrolment.${state}`)}</span></h2>
      </header>
      {state === "waiting" && <Note tone="warn">{t("enrolment.noWorkers")}</Note>}
      {state === "running" && <progress aria-label={t("enrolment.running")} />}
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
