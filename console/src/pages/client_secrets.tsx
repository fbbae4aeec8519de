// The secrets of a client, after it was added or got new ones.
import type { Answer } from "../api/call";
import { SecretsShown } from "../parts/secret";
import { useWords } from "../words/words";

export type Secrets = Answer<"addClient">;

/** The secrets of a client. They are gone once the dialog is closed. */
export function SecretsDialog({ secrets, title, onClose }: { secrets: Secrets; title: string; onClose: () => void }) {
  const { t } = useWords();
  const shown = [[t("client.username"), secrets.username], [t("client.password"), secrets.password], ["x-api-key", secrets.api_key]] as const;
  return <SecretsShown title={title} about={t("secrets.once")} secrets={shown} onClose={onClose} />;
}
