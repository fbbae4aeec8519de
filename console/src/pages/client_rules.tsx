// The limits of a client as a form.
import type { components } from "../api/generated/schema";
import { Check, TextArea, TextField } from "../parts/field";
import { useWords } from "../words/words";

type Rules = components["schemas"]["Rules"];
type RulesChange = components["schemas"]["RulesChange"];

const ENDPOINTS = ["face-verification", "verification", "face-match", "passive-liveness"];

/** The limits as they are typed. An empty text is no limit. */
export interface TypedRules {
  perSecond: string;
  burst: string;
  dailyQuota: string;
  monthlyQuota: string;
  networks: string;
  certificates: string;
  fields: string;
  /** null: every endpoint. */
  endpoints: readonly string[] | null;
}

const text = (value: number | null | undefined) => (value == null ? "" : String(value));

/** The limits of a client as text; those of a new client if there is none. */
export function typedRules(rules: Rules | undefined): TypedRules {
  return {
    perSecond: rules ? text(rules.rate?.per_second) : "20",
    burst: rules ? text(rules.rate?.burst) : "40",
    dailyQuota: text(rules?.daily_quota),
    monthlyQuota: text(rules?.monthly_quota),
    networks: (rules?.networks ?? []).join("\n"),
    certificates: (rules?.certificates ?? []).join("\n"),
    fields: (rules?.fields ?? ["default"]).join(", "),
    endpoints: rules?.endpoints ?? null,
  };
}

const words = (typed: string) => typed.split(/[\s,;]+/).filter(word => word !== "");
const lines = (typed: string) => typed.split("\n").map(line => line.trim()).filter(line => line !== "");
const whole = (typed: string) => (typed.trim() === "" ? null : Number(typed));

/** What was typed as the interface takes it, every limit named. */
export function rulesOf(typed: TypedRules): RulesChange {
  return {
    rate: typed.perSecond.trim() === "" ? null : { per_second: Number(typed.perSecond), burst: whole(typed.burst) },
    daily_quota: whole(typed.dailyQuota),
    monthly_quota: whole(typed.monthlyQuota),
    networks: words(typed.networks),
    certificates: lines(typed.certificates),
    fields: words(typed.fields),
    endpoints: typed.endpoints === null ? null : [...typed.endpoints],
  };
}

/** Only the limits that differ from those that were read. */
export function changedRules(before: TypedRules, typed: TypedRules): RulesChange {
  const [old, now] = [rulesOf(before), rulesOf(typed)];
  const names = Object.keys(now) as (keyof RulesChange)[];
  return Object.fromEntries(names.filter(name => JSON.stringify(old[name]) !== JSON.stringify(now[name])).map(name => [name, now[name]]));
}

export function RulesFields({ rules, onRules, hasQuotas }: { rules: TypedRules; onRules: (rules: TypedRules) => void; hasQuotas: boolean }) {
  const { t, named } = useWords();
  const change = (part: Partial<TypedRules>) => onRules({ ...rules, ...part });
  const toggle = (endpoint: string, isOn: boolean) => {
    const chosen = ENDPOINTS.filter(name => (name === endpoint ? isOn : rules.endpoints?.includes(name) ?? true));
    change({ endpoints: chosen.length === ENDPOINTS.length ? null : chosen });
  };
  const number = { type: "number", min: 0, inputMode: "numeric" } as const;
  return (
    <>
      <div class="fields">
        <TextField label={t("client.rate")} hint={t("client.rateHint")} {...number} step="any" value={rules.perSecond} onValue={perSecond => change({ perSecond })} />
        <TextField label={t("client.burst")} {...number} step={1} value={rules.burst} onValue={burst => change({ burst })} />
        {hasQuotas && (
          <>
            <TextField label={t("client.dailyQuota")} hint={t("client.emptyUnlimited")} {...number} step={1} value={rules.dailyQuota} onValue={dailyQuota => change({ dailyQuota })} />
            <TextField label={t("client.monthlyQuota")} hint={t("client.emptyUnlimited")} {...number} step={1} value={rules.monthlyQuota} onValue={monthlyQuota => change({ monthlyQuota })} />
          </>
        )}
      </div>
      <fieldset>
        <legend>{t("client.endpoints")}</legend>
        <div class="checks">
          {ENDPOINTS.map(name => (
            <Check key={name} label={named("endpoint", name)} checked={rules.endpoints?.includes(name) ?? true} onValue={isOn => toggle(name, isOn)} />
          ))}
        </div>
      </fieldset>
      <div class="fields">
        <TextArea label={t("client.networks")} hint={t("client.networksHint")} value={rules.networks} onValue={networks => change({ networks })} />
        <TextArea label={t("client.certificates")} hint={t("client.certificatesHint")} value={rules.certificates} onValue={certificates => change({ certificates })} />
      </div>
      <TextField label={t("client.fields")} hint={t("client.fieldsHint")} value={rules.fields} onValue={fields => change({ fields })} />
    </>
  );
}
