// The result of a verification or a comparison by hand, in its parts.
import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";

import type { components } from "../api/generated/schema";
import { Gauge } from "../parts/gauge";
import { MatchTag, toneOf } from "../parts/tags";
import { useAccess } from "../session";
import { useWords } from "../words/words";
import { RequestDialog } from "./request";

type Schemas = components["schemas"];

/** What both kinds of result have. */
type Result = Pick<Schemas["HandComparison"], "request_id" | "status" | "reason_code">;

/** Says what the page waits for, before there is a result. */
export function Nothing({ isRunning, text }: { isRunning: boolean; text: string }) {
  const { t } = useWords();
  return <div class="panel placeholder" role="status"><p>{isRunning ? t("state.running") : text}</p></div>;
}

export function ResultPanel({ children }: { children: ComponentChildren }) {
  const { t } = useWords();
  return <section class="panel stack" aria-label={t("outcome.title")}>{children}</section>;
}

/** The reason, for the operator and for the person in front of the camera. The focus goes there. */
export function OutcomeHead({ result }: { result: Result }) {
  const { t, named, advice, language } = useWords();
  const { may } = useAccess();
  const head = useRef<HTMLDivElement>(null);
  const [isOpen, setOpen] = useState(false);
  useLayoutEffect(() => {
    head.current?.focus();
    head.current?.scrollIntoView({ block: "nearest" });
  }, [result]);
  const other = language === "id" ? "en" : "id";
  return (
    <>
      <div class={`outcome ${toneOf(result.reason_code)}`} ref={head} tabIndex={-1} role="status">
        <strong>{named("reason", result.reason_code)}</strong>
        <span class="small"><code>{result.reason_code}</code> · {t("outcome.status", { status: String(result.status) })}</span>
      </div>
      <div class="advice">
        <h2>{t("outcome.advice")}</h2>
        <p lang={language}>{advice(result.reason_code, language)}</p>
        <p class="small quiet" lang={other}>{advice(result.reason_code, other)}</p>
      </div>
      <p class="small quiet">
        {t("outcome.request")} <code>{result.request_id}</code>{" "}
        {may("searchRequest") && <button type="button" class="plain" onClick={() => setOpen(true)}>{t("outcome.trail")}</button>}
      </p>
      {isOpen && <RequestDialog requestId={result.request_id} onClose={() => setOpen(false)} />}
    </>
  );
}

export function ScorePanel({ score }: { score: Schemas["Score"] }) {
  const { t } = useWords();
  return (
    <div>
      <h2>{t("outcome.score")}</h2>
      <Gauge score={score} />
    </div>
  );
}

export function FieldResults({ fields }: { fields: readonly Schemas["FieldResult"][] }) {
  const { t, named } = useWords();
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={t("verify.fields")}>
      <table>
        <thead>
          <tr>
            <th scope="col">{t("outcome.field")}</th>
            <th scope="col">{t("outcome.matches")}</th>
            <th scope="col">{t("outcome.rules")}</th>
          </tr>
        </thead>
        <tbody>
          {fields.map(field => (
            <tr key={field.field}>
              <th scope="row">{named("field", field.field)}</th>
              <td><MatchTag matches={field.matches} /></td>
              <td>{field.rules.length > 0
                ? field.rules.map(rule => named("rule", rule)).join("; ")
                : field.matches ? t("outcome.exact") : "–"}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** How long each step took. Steps may run at the same time. */
export function Steps({ steps, total }: { steps: readonly Schemas["Step"][]; total: number }) {
  const { t, number, named } = useWords();
  const longest = Math.max(total, ...steps.map(step => step.milliseconds), 0.001);
  return (
    <section class="panel">
      <header><h2>{t("steps.title")}</h2><span class="quiet number">{t("steps.total", { milliseconds: number(total, 1) })}</span></header>
      <dl class="steps">
        {steps.map(step => (
          <div key={step.step} class="step">
            <dt>{named("step", step.step)}</dt>
            <dd>
              <svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true"><rect width={step.milliseconds / longest * 100} height="8" /></svg>
              <span class="number">{number(step.milliseconds, 1)} ms</span>
            </dd>
          </div>
        ))}
      </dl>
      <p class="small quiet">{t("steps.about")}</p>
    </section>
  );
}
