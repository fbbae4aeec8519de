// Whether the service is well: alerts, components, replicas, store, queue, models, and the meaning of its scale.
import type { ComponentChild } from "preact";

import { call, type Answer } from "../api/call";
import type { components } from "../api/generated/schema";
import { useAnswer } from "../api/use_answer";
import { Curve } from "../parts/curve";
import { oneIn } from "../parts/gauge";
import { PageHead } from "../parts/page";
import { Note, Whenever } from "../parts/states";
import { useWords } from "../words/words";
import { InUse } from "./models";

type Health = Answer<"showHealth">;
type Pool = components["schemas"]["Pool"];

/** How often the state is asked for. */
const EVERY_MS = 5000;

export function HealthPage() {
  const { t } = useWords();
  const health = useAnswer(() => call("showHealth"), [], EVERY_MS);
  return (
    <>
      <PageHead title={t("page.health")} about={t("health.about")} />
      <Whenever loaded={health}>
        {answer => (
          <>
            <Alerts health={answer} />
            <Figures health={answer} />
            <section class="panel">
              <h2>{t("health.databases")}</h2>
              <Databases health={answer} />
            </section>
            <div class="columns">
              <section class="panel">
                <h2>{t("models.inUse")}</h2>
                <InUse set={answer.models} />
                {answer.model_outdated && <Note tone="warn">{t("health.outdated")}</Note>}
              </section>
              <Scale health={answer} />
            </div>
          </>
        )}
      </Whenever>
    </>
  );
}

function Alerts({ health }: { health: Health }) {
  const { t } = useWords();
  if (health.alerts.length === 0) {
    return health.ready ? <Note tone="good">{t("health.noAlerts")}</Note> : <Note tone="bad">{t("health.notReady")}</Note>;
  }
  return (
    <section class="panel" aria-label={t("health.alerts")}>
      <h2>{t("health.alerts")}</h2>
      {health.alerts.map(alert => (
        <div class="entry" key={alert.alert + alert.summary}>
          <p><span class={`tag ${alert.severity === "critical" ? "bad" : "warn"}`}>{t(alert.severity === "critical" ? "alert.page" : "alert.ticket")}</span> <strong>{alert.alert}</strong></p>
          <p lang="en">{alert.summary}</p>
          <p class="small"><Runbook address={alert.runbook} /></p>
        </div>
      ))}
    </section>
  );
}

/** A link where the runbook has an address on the web; else the place of it in the documents. */
function Runbook({ address }: { address: string }) {
  const { t } = useWords();
  if (!/^https?:\/\//.test(address)) return <>{t("alert.runbook")}: <code>{address}</code></>;
  return <a href={address} target="_blank" rel="noreferrer noopener">{t("alert.runbook")}</a>;
}

function Figures({ health }: { health: Health }) {
  const { t, number, named } = useWords();
  const { queue, audit_rows: rows } = health;
  return (
    <dl class="figures four">
      {Object.entries(health.components).map(([name, state]) => (
        <div class="figure" key={name}>
          <dt>{named("component", name)}</dt>
          <dd>{state === "ok" ? <span class="tag good">{t("health.ok")}</span> : <span class="tag bad" lang="en">{state}</span>}</dd>
        </div>
      ))}
      <div class="figure"><dt>{t("health.queue")}</dt><dd>{number(queue.queued)} <small>/ {number(queue.capacity)}</small></dd></div>
      <div class="figure"><dt>{t("health.workers")}</dt><dd>{number(queue.busy)} <small>/ {number(queue.workers)}</small></dd></div>
      <div class="figure"><dt>{t("health.refused")}</dt><dd>{number(queue.refused)} <small>{t("health.expired", { expired: queue.expired })}</small></dd></div>
      <div class="figure"><dt>{t("health.rows")}</dt><dd>{number(rows.durable)} <small>{t("health.failed", { failed: rows.failed })}</small></dd></div>
      <div class="figure"><dt>{t("health.version")}</dt><dd>{health.version}</dd></div>
    </dl>
  );
}

function Databases({ health }: { health: Health }) {
  const { t, number } = useWords();
  const labels = { what: t("health.database"), state: t("client.state"), lag: t("health.lag"), connections: t("health.connections"), timeouts: t("health.timeouts"), failures: t("health.failures") };
  const row = (pool: Pool, what: string, state: ComponentChild, lag: string) => (
    <tr key={what + pool.name}>
      <th scope="row" data-label={labels.what}><div>{what}<br /><code class="quiet">{pool.name}</code></div></th>
      <td data-label={labels.state}><div>{state}</div></td>
      <td data-label={labels.lag} class="number">{lag}</td>
      <td data-label={labels.connections} class="number">{t("health.used", { used: pool.in_use, open: pool.connections, most: pool.max_connections })}</td>
      <td data-label={labels.timeouts} class="number">{number(pool.timeouts)}</td>
      <td data-label={labels.failures} class="number">{number(pool.failures)}</td>
    </tr>
  );
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={t("health.databases")}>
      <table class="cards">
        <thead>
          <tr>
            <th scope="col">{labels.what}</th><th scope="col">{labels.state}</th><th scope="col" class="number">{labels.lag}</th>
            <th scope="col" class="number">{labels.connections}</th><th scope="col" class="number">{labels.timeouts}</th><th scope="col" class="number">{labels.failures}</th>
          </tr>
        </thead>
        <tbody>
          {health.replicas.map((replica, index) => row(
            replica.pool, t("health.replica", { number: index + 1 }),
            replica.too_far_behind ? <span class="tag bad">{t("health.tooFarBehind")}</span>
              : replica.in_turn ? <span class="tag good">{t("health.inTurn")}</span> : <span class="tag warn">{t("health.leftOut")}</span>,
            replica.lag_seconds == null ? t("health.unknown") : `${number(replica.lag_seconds, 1)} s`))}
          {row(health.store, t("health.store"), <span class={`tag ${health.components["store"] === "ok" ? "good" : "bad"}`}>{health.components["store"] === "ok" ? t("health.ok") : t("health.notReady")}</span>, "–")}
        </tbody>
      </table>
    </div>
  );
}

function Scale({ health }: { health: Health }) {
  const { t } = useWords();
  if (!health.calibration) return null;
  return (
    <section class="panel">
      <h2>{t("curve.title")}</h2>
      <Curve calibration={health.calibration} live={health.live} />
      <LiveRates health={health} />
    </section>
  );
}

/** What was measured on the people who are verified, beside what the scale states. */
function LiveRates({ health }: { health: Health }) {
  const words = useWords();
  const { t, number, day } = words;
  const { live, calibration } = health;
  if (!live) return <p class="small quiet">{t("measured.none")}</p>;
  const labels = { percentage: t("curve.percentage"), measured: t("measured.measured"), interval: t("measured.interval") };
  const mark = live.points.find(point => point.percentage === calibration.pass_percentage);
  return (
    <>
      <h3>{t("measured.title")}</h3>
      {mark && (
        <p>
          <strong class="number">{oneIn(mark.false_match_rate, words)}</strong>{" "}
          <span class="quiet">{t("measured.atPassMark", { percentage: number(mark.percentage), low: oneIn(mark.low, words), high: oneIn(mark.high, words) })}</span>
        </p>
      )}
      <p class="small quiet">{t("measured.about", { comparisons: number(live.comparisons), from: day(live.from) })}</p>
      <details>
        <summary>{t("usage.asTable")}</summary>
        <div class="scroll" tabIndex={0} role="region" aria-label={t("measured.title")}>
          <table class="cards">
            <thead>
              <tr>
                <th scope="col" class="number">{labels.percentage}</th><th scope="col" class="number">{labels.measured}</th>
                <th scope="col" class="number">{labels.interval}</th>
              </tr>
            </thead>
            <tbody>
              {live.points.map(point => (
                <tr key={point.percentage}>
                  <td data-label={labels.percentage} class="number">{number(point.percentage)} %</td>
                  <td data-label={labels.measured} class="number">{oneIn(point.false_match_rate, words)}</td>
                  <td data-label={labels.interval} class="number">{oneIn(point.low, words)} – {oneIn(point.high, words)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </details>
    </>
  );
}
