// Rows of the audit trail as a table, page by page as the service gives them.
import { useState } from "preact/hooks";

import type { components } from "../api/generated/schema";
import { useAction } from "../api/use_answer";
import { Problem } from "../parts/states";
import { ReasonTag } from "../parts/tags";
import { useAccess } from "../session";
import { useWords } from "../words/words";
import { RequestDialog, RowDialog } from "./request";

export type Row = components["schemas"]["AuditEntry"];
export type Page = components["schemas"]["AuditPage"];

/** A search whose pages are loaded one after the other. */
export interface Pages {
  rows: readonly Row[] | undefined;
  hasMore: boolean;
  isRunning: boolean;
  problem: ReturnType<typeof useAction<Page>>["failure"];
  start: (load: (cursor: string | undefined) => Promise<Page>) => Promise<void>;
  more: () => Promise<void>;
  clear: () => void;
}

export function usePages(): Pages {
  const [found, setFound] = useState<{ rows: Row[]; next: string | null; load: (cursor: string | undefined) => Promise<Page> }>();
  const action = useAction<Page>();
  return {
    rows: found?.rows,
    hasMore: found?.next != null,
    isRunning: action.isRunning,
    problem: action.failure,
    start: async load => {
      setFound(undefined);
      const page = await action.run(() => load(undefined));
      if (page) setFound({ rows: page.rows, next: page.next ?? null, load });
    },
    more: async () => {
      if (!found?.next) return;
      const page = await action.run(() => found.load(found.next ?? undefined));
      if (page) setFound({ ...found, rows: [...found.rows, ...page.rows], next: page.next ?? null });
    },
    clear: () => {
      setFound(undefined);
      action.clear();
    },
  };
}

/** The rows of a search, the button for the next page, and what went wrong. */
export function PagedRows({ pages, caption }: { pages: Pages; caption: string }) {
  const { t } = useWords();
  return (
    <>
      <Problem failure={pages.problem} />
      <p class="hidden" role="status">
        {pages.isRunning ? t("state.running") : pages.rows ? t("rows.count", { count: pages.rows.length }) : ""}
      </p>
      {pages.rows && <Rows rows={pages.rows} caption={caption} />}
      {pages.hasMore && (
        <div class="more"><button type="button" disabled={pages.isRunning} onClick={() => void pages.more()}>{t("rows.more")}</button></div>
      )}
    </>
  );
}

export function Rows({ rows, caption }: { rows: readonly Row[]; caption: string }) {
  const { t, time, percent, number, named } = useWords();
  const { may } = useAccess();
  const [opened, setOpened] = useState<Row>();
  if (rows.length === 0) return <p class="empty">{t("rows.none")}</p>;
  const labels = { at: t("row.at"), reason: t("row.reason"), client: t("row.client"), endpoint: t("row.endpoint"), percentage: t("row.percentage"), took: t("row.took"), request: t("row.request") };
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={caption}>
      <table class="cards rows">
        <thead>
          <tr>
            <th scope="col">{labels.at}</th><th scope="col">{labels.reason}</th><th scope="col">{labels.client}</th>
            <th scope="col">{labels.endpoint}</th><th scope="col" class="number">{labels.percentage}</th>
            <th scope="col" class="number">{labels.took}</th><th scope="col">{labels.request}</th>
          </tr>
        </thead>
        <tbody>
          {rows.map(row => (
            <tr key={`${row.writer}/${row.sequence}`}>
              <td data-label={labels.at} class="moment">{time(row.at)}</td>
              <td data-label={labels.reason}><div><ReasonTag reason={row.reason} kind={row.kind} /></div></td>
              <td data-label={labels.client} class="long"><div>{row.client ?? accountOf(row) ?? "–"}{row.sandbox && <> <span class="tag">{t("client.sandbox")}</span></>}</div></td>
              <td data-label={labels.endpoint}>{row.endpoint ? named("endpoint", row.endpoint) : named("kind", row.kind)}</td>
              <td data-label={labels.percentage} class="number">{row.percentage == null ? "–" : percent(row.percentage)}</td>
              <td data-label={labels.took} class="number">{number(row.milliseconds, 1)} ms</td>
              <td data-label={labels.request} class="long">
                <button type="button" class="row-link" onClick={() => setOpened(row)}>
                  {row.request_id ? <code>{row.request_id}</code> : t("row.open")}
                </button>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {opened && (opened.request_id && may("searchRequest")
        ? <RequestDialog requestId={opened.request_id} onClose={() => setOpened(undefined)} />
        : <RowDialog row={opened} onClose={() => setOpened(undefined)} />)}
    </div>
  );
}

/** The operator's account of a row of kind `admin`. */
export function accountOf(row: Row): string | undefined {
  const request = (row.fields as Record<string, unknown>)["request"] as { account?: unknown } | undefined;
  return typeof request?.account === "string" ? request.account : undefined;
}
