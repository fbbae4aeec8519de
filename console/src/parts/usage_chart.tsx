// Calls by day as stacked columns, and the same numbers as a table for those who do not see the columns.
import type { components } from "../api/generated/schema";
import { useWords } from "../words/words";
import { toneOf } from "./tags";
import { useWidth } from "./use_width";

type Row = components["schemas"]["UsageOfDay"];

interface Day {
  day: string;
  good: number;
  bad: number;
  other: number;
  total: number;
}

/** The days from the first to the last one, also those without a call. */
export function countByDay(rows: readonly Row[], from: string, to: string): Day[] {
  const days = new Map<string, Day>();
  for (let at = Date.parse(`${from}T00:00:00Z`); at <= Date.parse(`${to}T00:00:00Z`); at += 86_400_000) {
    const day = new Date(at).toISOString().slice(0, 10);
    days.set(day, { day, good: 0, bad: 0, other: 0, total: 0 });
  }
  for (const row of rows) {
    const counted = days.get(row.day);
    if (!counted) continue;
    const tone = toneOf(row.outcome);
    counted[tone === "warn" ? "other" : tone] += row.calls;
    counted.total += row.calls;
  }
  return [...days.values()];
}

const SIZE = { height: 210, left: 46, bottom: 24, top: 8 };

/** A round number that is not below the highest column. */
function ceilingOf(highest: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(highest, 1)));
  return [1, 2, 5, 10].map(step => step * power).find(value => value >= highest) ?? highest;
}

export function UsageChart({ days }: { days: readonly Day[] }) {
  const { t, number, day: nameOf } = useWords();
  const { frame, width } = useWidth<HTMLElement>(720);
  const top = Math.max(4, ceilingOf(Math.max(...days.map(day => day.total))));
  const plot = SIZE.height - SIZE.bottom - SIZE.top;
  const slot = (width - SIZE.left) / days.length;
  const y = (value: number) => SIZE.top + plot * (1 - value / top);
  const labelled = Math.ceil(days.length / Math.max(2, Math.floor(width / 110)));
  return (
    <figure class="chart" ref={frame}>
      <svg viewBox={`0 0 ${width} ${SIZE.height}`} role="img" aria-label={t("usage.chart", { days: days.length })}>
        {[0, 0.5, 1].map(part => (
          <g key={part}>
            <line class="grid" x1={SIZE.left} x2={width} y1={y(top * part)} y2={y(top * part)} />
            <text x={SIZE.left - 7} y={y(top * part) + 4} text-anchor="end">{number(top * part)}</text>
          </g>
        ))}
        {days.map((day, index) => {
          const left = SIZE.left + slot * (index + 0.14);
          let base = 0;
          return (
            <g key={day.day}>
              <title>{`${nameOf(day.day)}: ${number(day.total)}`}</title>
              {(["good", "bad", "other"] as const).map(part => {
                const low = base;
                base += day[part];
                return day[part] > 0 && (
                  <rect key={part} class={part} x={left} width={slot * 0.72} y={y(base)} height={Math.max(1, y(low) - y(base))} />
                );
              })}
              {(days.length - 1 - index) % labelled === 0 && (
                <text x={left + slot * 0.36} y={SIZE.height - 6} text-anchor={index === days.length - 1 ? "end" : "middle"}
                  dx={index === days.length - 1 ? slot * 0.36 : 0}>{nameOf(day.day)}</text>
              )}
            </g>
          );
        })}
      </svg>
      <figcaption class="legend">
        {(["good", "bad", "other"] as const).map(part => <span key={part}><i class={part} />{t(`usage.${part}`)}</span>)}
      </figcaption>
      <details>
        <summary>{t("usage.asTable")}</summary>
        <table>
          <thead><tr><th scope="col">{t("usage.day")}</th>{(["good", "bad", "other", "total"] as const).map(part => <th key={part} scope="col" class="number">{t(`usage.${part}`)}</th>)}</tr></thead>
          <tbody>
            {days.filter(day => day.total > 0).reverse().map(day => (
              <tr key={day.day}>
                <th scope="row">{nameOf(day.day)}</th>
                {(["good", "bad", "other", "total"] as const).map(part => <td key={part} class="number">{number(day[part])}</td>)}
              </tr>
            ))}
          </tbody>
        </table>
      </details>
    </figure>
  );
}
