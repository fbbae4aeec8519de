// A percentage on its scale, with the pass mark and the false match rates that they stand for.
import type { components } from "../api/generated/schema";
import { useWords, type Words } from "../words/words";
import { useWidth } from "./use_width";

/** Below this rate, which hardly any measurement reaches, a scale is extrapolated: no number is shown. */
export const RAREST = 1e-7;

/** A rate as "1 in 8,100", with two digits that count. */
export function oneIn(rate: number, words: Words): string {
  if (!(rate > 0)) return words.t("rate.none");
  if (rate < RAREST) return words.t("rate.rarer", { every: words.number(1 / RAREST) });
  const every = 1 / rate;
  const step = 10 ** Math.max(0, Math.floor(Math.log10(every)) - 1);
  return words.t("rate.oneIn", { every: words.number(Math.max(1, Math.round(every / step) * step)) });
}

/** What the scale leaves free at both ends, for its numbers. */
const EDGE = 14;
const BAR = { top: 26, height: 14 };

export function Gauge({ score }: { score: components["schemas"]["Score"] }) {
  const words = useWords();
  const { t, percent } = words;
  const { percentage, pass_mark: mark, passes } = score;
  const { frame, width } = useWidth<HTMLDivElement>(600);
  const length = width - 2 * EDGE;
  const x = (value: number) => Math.min(100, Math.max(0, value)) / 100 * length;
  // Truncated as in the answer to a client, never rounded up.
  const shown = percent(Math.floor(percentage * 100 + 1e-7) / 100);
  return (
    <div class={`gauge ${passes ? "good" : "bad"}`} ref={frame}>
      <p class="gauge-value"><span class="number">{shown} %</span> <span class={`tag ${passes ? "good" : "bad"}`}>{t(passes ? "gauge.passes" : "gauge.fails", { mark })}</span></p>
      <svg viewBox={`${-EDGE} 0 ${width} 62`} role="img" aria-label={t("gauge.label", { percentage: shown, mark })}>
        <rect class="below" x="0" y={BAR.top} width={x(mark)} height={BAR.height} rx="3" />
        <rect class="above" x={x(mark)} y={BAR.top} width={length - x(mark)} height={BAR.height} rx="3" />
        <rect class="value" x="0" y={BAR.top + 4} width={x(percentage)} height={BAR.height - 8} rx="2" />
        <line class="mark" x1={x(mark)} x2={x(mark)} y1={BAR.top - 6} y2={BAR.top + BAR.height + 6} />
        <path class="pointer" d={`M${x(percentage)} ${BAR.top - 2}l-7 -11h14z`} />
        {[0, 25, 50, mark, 100].map(tick => <text key={tick} x={x(tick)} y="60" text-anchor="middle">{tick}</text>)}
      </svg>
      <dl class="facts small">
        {score.false_match_rate != null && (
          <>
            <dt>{t("gauge.rateHere")}</dt>
            <dd>{oneIn(score.false_match_rate, words)}</dd>
          </>
        )}
        {score.false_match_rate_at_pass_mark != null && (
          <>
            <dt>{t("gauge.rateAtMark", { mark })}</dt>
            <dd>{oneIn(score.false_match_rate_at_pass_mark, words)}</dd>
          </>
        )}
      </dl>
      {score.false_match_rate_at_pass_mark != null && <p class="small quiet">{t("gauge.meaning")}</p>}
    </div>
  );
}
