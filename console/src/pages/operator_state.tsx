// An operator, whether the account is enabled, and how somebody signs in with it.
import type { Answer } from "../api/call";
import { useWords } from "../words/words";

export type Operator = Answer<"listOperators">["operators"][number];

/** Enabled, disabled or expired, and whether it is the account of who looks. */
export function OperatorState({ operator }: { operator: Operator }) {
  const { t } = useWords();
  const hasExpired = operator.expires_at != null && Date.parse(operator.expires_at) <= Date.now();
  return (
    <>
      <span class={`tag ${operator.disabled || hasExpired ? "bad" : "good"}`}>
        {t(operator.disabled ? "client.disabled" : hasExpired ? "operator.expired" : "client.enabled")}
      </span>
      {operator.own && <> <span class="tag">{t("operator.own")}</span></>}
    </>
  );
}

/** How somebody signs in. */
export function signInOf(operator: Operator) {
  if (operator.origin === "provider") return "operator.byProvider";
  if (!operator.has_password) return "operator.byToken";
  return operator.has_code ? "operator.byCode" : "operator.byPassword";
}
