// The calibration in use: which false match rate each percentage stands for.
import type { components } from "../api/generated/schema";
import { useWords } from "../words/words";
import { oneIn, RAREST } from "./gauge";
import { useWidth } from "./use_width";

const SIZE = { height: 210, left: 118, right: 20, top: 10, bottom: 26 };

type Live = components["schemas"]["LiveScale"];

export function Curve({ calibration, live }: { calibration: components["schemas"]["Scale"]; live?: Live | null | undefined }) {
  const words = useWords();
  const { t } = words;
  const { frame, width } = useWidth<HTMLElement>(560);
  const points = calibration.points.filter(point => point.false_match_rate > 0);
  if (points.length < 2) return null;
  const log = (rate: number) => Math.log10(Math.max(rate, RAREST));
  const logs = points.map(point => log(point.false_match_rate));
  const measured = (live?.points ?? []).map(point => ({
    ...point, at: log(point.false_match_rate), from: log(point.low), to: log(point.high),
  }));
  const all = [...logs, ...measured.flatMap(point => [point.from, point.to])];
  const [low, high] = [Math.floor(Math.min(...all)), Math.ceil(Math.max(...all))];
  const x = (percentage: number) => SIZE.left + percentage / 100 * (width - SIZE.left - SIZE.right);
  const y = (log: number) => SIZE.top + (high - log) / Math.max(1, high - low) * (SIZE.height - SIZE.top - SIZE.bottom);
  const mark = calibration.pass_percentage;
  const step = Math.max(1, Math.ceil((high - low) / 5));
  const decades = Array.from({ length: Math.floor((high - low) / step) + 1 }, (_, index) => low + index * step);
  return (
    <figure class="chart" ref={frame}>
      <svg viewBox={`0 0 ${width} ${SIZE.height}`} role="img" aria-label={t("curve.label")}>
        {decades.map(decade => (
          <g key={decade}>
            <line class="grid" x1={SIZE.left} x2={width - SIZE.right} y1={y(decade)} y2={y(decade)} />
            <text x={SIZE.left - 8} y={y(decade) + 4} text-anchor="end">{oneIn(10 ** decade, words)}</text>
          </g>
        ))}
        {[0, 25, 50, 75, 100].map(tick => <text key={tick} x={x(tick)} y={SIZE.height - 8} text-anchor="middle">{tick} %</text>)}
        <line class="mark" x1={x(mark)} x2={x(mark)} y1={SIZE.top} y2={SIZE.height - SIZE.bottom} />
        {measured.map(point => (
          <g key={point.percentage} class="measured">
            <line x1={x(point.percentage)} x2={x(point.percentage)} y1={y(point.from)} y2={y(point.to)} />
            {point.false_match_rate > 0 && <circle cx={x(point.percentage)} cy={y(point.at)} r={4} />}
          </g>
        ))}
        <polyline points={points.map((point, index) => `${x(point.percentage)},${y(logs[index] ?? 0)}`).join(" ")} />
      </svg>
      <details>
        <summary>{t("usage.asTable")}</summary>
        <div class="scroll" tabIndex={0} role="region" aria-label={t("curve.title")}>
          <table>
            <thead><tr><th scope="col" class="number">{t("curve.percentage")}</th><th scope="col" class="number">{t("curve.rate")}</th></tr></thead>
            <tbody>
              {points.map(point => (
                <tr key={point.percentage}>
                  <td class="number">{words.number(point.percentage, 2)} %</td>
                  <td class="number">{oneIn(point.false_match_rate, words)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </details>
    </figure>
  );
}
