// One request with its whole trail, to read and to print.
import type { components } from "../api/generated/schema";
import { call } from "../api/call";
import { useAnswer } from "../api/use_answer";
import { Dialog } from "../parts/dialog";
import { Icon } from "../parts/icons";
import { Whenever } from "../parts/states";
import { MatchTag, ReasonTag } from "../parts/tags";
import { useWords, type Key } from "../words/words";

type Row = components["schemas"]["AuditEntry"];

/** All rows of a request: it has several where a client used an id again, or an operator's act followed. */
export function RequestDialog({ requestId, onClose }: { requestId: string; onClose: () => void }) {
  const { t } = useWords();
  const loaded = useAnswer(() => call("searchRequest", { body: { request_id: requestId, limit: 50 } }), [requestId]);
  return (
    <Dialog wide title={t("request.title")} onClose={onClose} extra={<PrintButton />}>
      <p class="quiet small">{t("request.id")} <code>{requestId}</code></p>
      <Whenever loaded={loaded}>
        {page => page.rows.length === 0
          ? <p class="empty">{t("rows.none")}</p>
          : page.rows.map(row => <Entry key={`${row.writer}/${row.sequence}`} row={row} />)}
      </Whenever>
    </Dialog>
  );
}

/** One row that is already known. */
export function RowDialog({ row, onClose }: { row: Row; onClose: () => void }) {
  const { t } = useWords();
  return <Dialog wide title={t("request.row")} onClose={onClose} extra={<PrintButton />}><Entry row={row} /></Dialog>;
}

function PrintButton() {
  const { t } = useWords();
  return <button type="button" class="plain" onClick={() => print()}><Icon name="print" />{t("action.print")}</button>;
}

function Entry({ row }: { row: Row }) {
  const { t, named, time, percent, number } = useWords();
  const facts: [Key, string | null | undefined][] = [
    ["row.at", time(row.at)],
    ["row.kind", named("kind", row.kind)],
    ["row.client", row.client],
    ["row.endpoint", row.endpoint && named("endpoint", row.endpoint)],
    ["row.percentage", row.percentage == null ? null : `${percent(row.percentage)} %`],
    ["row.spoof", row.spoof == null ? null : number(row.spoof, 5)],
    ["row.nikPlausible", row.nik_plausible == null ? null : t(row.nik_plausible ? "row.plausible" : "row.implausible")],
    ["row.took", `${number(row.milliseconds, 1)} ms`],
  ];
  const proof: [Key, string | null | undefined][] = [
    ["row.contract", row.contract],
    ["row.calibration", row.calibration],
    ["row.chain", `${row.writer} / ${row.sequence}`],
    ["row.mac", row.mac],
  ];
  return (
    <article class="entry">
      <p><ReasonTag reason={row.reason} kind={row.kind} /> <code class="quiet">{row.reason}</code></p>
      <Facts facts={facts} />
      {row.kind === "request" ? <Fields row={row} /> : <pre class="json code" tabIndex={0}>{JSON.stringify(row.fields, null, 2)}</pre>}
      <Facts facts={proof} isCode />
    </article>
  );
}

function Facts({ facts, isCode }: { facts: readonly [Key, string | null | undefined][]; isCode?: boolean }) {
  const { t } = useWords();
  return (
    <dl class="facts small">
      {facts.map(([key, value]) => value != null && (
        <div key={key} class="fact">
          <dt>{t(key)}</dt>
          <dd>{isCode ? <code>{value}</code> : value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** What was reported of each field, with the rules by which names matched. */
function Fields({ row }: { row: Row }) {
  const { t, named } = useWords();
  const fields = Object.entries((row.fields ?? {}) as Record<string, unknown>);
  const rules = (row.name_rules ?? {}) as Record<string, unknown>;
  if (fields.length === 0) return null;
  return (
    <table>
      <thead><tr><th scope="col">{t("outcome.field")}</th><th scope="col">{t("outcome.matches")}</th><th scope="col">{t("outcome.rules")}</th></tr></thead>
      <tbody>
        {fields.map(([field, value]) => {
          const applied = rules[field];
          return (
            <tr key={field}>
              <th scope="row">{named("field", field)}</th>
              <td>{typeof value === "boolean" || value === null ? <MatchTag matches={value} /> : <code>{JSON.stringify(value)}</code>}</td>
              <td>{Array.isArray(applied) && applied.length > 0 ? applied.map(rule => named("rule", String(rule))).join("; ") : "–"}</td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}
